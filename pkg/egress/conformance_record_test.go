package egress_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"net"
)

// Types of TLS records (RFC 5246, section 6.2.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordData             = 23
)

// records is the record layer of tls12. It implements net.Conn.
type records struct {
	net.Conn

	in, out *direction // nil as long as nothing is encrypted
	rest    []byte     // of a record of data, not yet read
}

// direction encrypts one direction of a connection by AES-GCM (RFC 5288).
type direction struct {
	aead     cipher.AEAD
	salt     []byte
	sequence uint64
}

func newCipher(key, salt []byte) *direction {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has a wrong length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return &direction{aead: aead, salt: salt}
}

// next returns the explicit part of the nonce, the nonce, and what is
// authenticated beside a text.
func (d *direction) next(kind byte, size int) (explicit, nonce, beside []byte) {
	explicit = binary.BigEndian.AppendUint64(nil, d.sequence)
	d.sequence++
	nonce = append(append(nonce, d.salt...), explicit...)
	return explicit, nonce, append(explicit, kind, 3, 3, byte(size>>8), byte(size))
}

// read reads a record.
func (r *records) read() (kind byte, text []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(r.Conn, header[:]); err != nil {
		return 0, nil, err
	}
	text = make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(r.Conn, text); err != nil || r.in == nil {
		return header[0], text, err
	}
	_, nonce, beside := r.in.next(header[0], len(text)-8-r.in.aead.Overhead())
	copy(nonce[4:], text[:8])
	text, err = r.in.aead.Open(nil, nonce, text[8:], beside)
	return header[0], text, err
}

// send writes a record.
func (r *records) send(kind byte, text []byte) error {
	if r.out != nil {
		explicit, nonce, beside := r.out.next(kind, len(text))
		text = r.out.aead.Seal(explicit[:8:8], nonce, text, beside)
	}
	_, err := r.Conn.Write(append([]byte{kind, 3, 3, byte(len(text) >> 8), byte(len(text))}, text...))
	return err
}

// Read implements net.Conn.
func (r *records) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		kind, text, err := r.read()
		if err != nil {
			return 0, err
		}
		if kind != recordData { // an alert, as close_notify is
			return 0, io.EOF
		}
		r.rest = text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Write implements net.Conn.
func (r *records) Write(p []byte) (int, error) {
	if err := r.send(recordData, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
