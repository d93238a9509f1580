package egress_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// Messages of a handshake (RFC 5246, section 7.4), and alerts (section 7.2).
const (
	helloRequest       = 0
	clientHello        = 1
	serverHello        = 2
	certificate        = 11
	serverKeyExchange  = 12
	certificateRequest = 13
	serverHelloDone    = 14
	clientKeyExchange  = 16
	finished           = 20

	alertHandshakeFailure = 40
	alertAccessDenied     = 49
)

// tls12 is the server's side of TLS 1.2 with one cipher suite,
// ECDHE-ECDSA-AES128-GCM-SHA256 over X25519. Unlike crypto/tls it renegotiates,
// asks for a certificate then, and sends any alert.
type tls12 struct {
	records

	wantsCertificate bool // in the next handshake

	transcript     hash.Hash
	verified       []byte // what the last handshake's Finished messages held
	messages       bytes.Buffer
	random, master []byte // the client's random value and then the server's; the session's secret
}

// handshake makes a handshake, the first or a further one.
func (s *tls12) handshake() error {
	s.transcript = sha256.New()
	hello, err := s.message(clientHello)
	if err != nil {
		return err
	}
	own := make([]byte, 32)
	_, _ = rand.Read(own)
	s.random = append(bytes.Clone(hello[2:34]), own...)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if err := s.offer(key.PublicKey().Bytes()); err != nil {
		return err
	}
	if s.wantsCertificate {
		if _, err := s.message(certificate); err != nil {
			return err
		}
	}
	exchange, err := s.message(clientKeyExchange)
	if err != nil {
		return err
	}
	theirs, err := ecdh.X25519().NewPublicKey(exchange[1:])
	if err != nil {
		return err
	}
	shared, err := key.ECDH(theirs)
	if err != nil {
		return err
	}
	s.master = derive(shared, "master secret", s.random, 48)
	return s.finish()
}

// offer sends the server's hello, certificate and key.
func (s *tls12) offer(public []byte) error {
	own := s.random[32:]
	extension := append([]byte{byte(len(s.verified))}, s.verified...) // RFC 5746, section 3.2
	extension = append([]byte{0xff, 0x01, 0, byte(len(extension))}, extension...)
	hello := append([]byte{3, 3}, own...)
	hello = append(hello, 0, 0xc0, 0x2b, 0, 0, byte(len(extension)))
	s.write(serverHello, append(hello, extension...))

	chain := testAuthority().certificate
	der := append(length24(len(chain.Certificate[0])), chain.Certificate[0]...)
	s.write(certificate, append(length24(len(der)), der...))

	params := append([]byte{3, 0, 29, byte(len(public))}, public...)
	digest := sha256.Sum256(append(bytes.Clone(s.random), params...))
	signature, err := ecdsa.SignASN1(rand.Reader, chain.PrivateKey.(crypto.Signer).(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		return err
	}
	params = append(params, 4, 3, 0, byte(len(signature)))
	s.write(serverKeyExchange, append(params, signature...))
	if s.wantsCertificate {
		s.write(certificateRequest, []byte{1, 64, 0, 2, 4, 3, 0, 0})
	}
	s.write(serverHelloDone, nil)
	return s.flush()
}

// finish goes over to the new keys.
func (s *tls12) finish() error {
	block := derive(s.master, "key expansion", append(bytes.Clone(s.random[32:]), s.random[:32]...), 40)
	if kind, _, err := s.read(); err != nil || kind != recordChangeCipherSpec {
		return fmt.Errorf("no ChangeCipherSpec but %d: %w", kind, err)
	}
	s.in = newCipher(block[:16], block[32:36])
	want := derive(s.master, "client finished", s.transcript.Sum(nil), 12)
	theirs, err := s.message(finished)
	if err != nil {
		return err
	}
	if !bytes.Equal(theirs, want) {
		return errors.New("the client's Finished is wrong")
	}
	if err := s.send(recordChangeCipherSpec, []byte{1}); err != nil {
		return err
	}
	s.out = newCipher(block[16:32], block[36:40])
	ours := derive(s.master, "server finished", s.transcript.Sum(nil), 12)
	s.write(finished, ours)
	s.verified = append(theirs, ours...)
	return s.flush()
}

// renegotiate asks for another handshake and makes it.
func (s *tls12) renegotiate() error {
	if err := s.send(recordHandshake, []byte{helloRequest, 0, 0, 0}); err != nil {
		return err
	}
	return s.handshake()
}

// alert ends the connection with a fatal alert.
func (s *tls12) alert(code byte) error { return s.send(recordAlert, []byte{2, code}) }

// message reads a message of a handshake.
func (s *tls12) message(want byte) ([]byte, error) {
	for s.messages.Len() < 4 || s.messages.Len() < 4+int(binary.BigEndian.Uint32(s.messages.Bytes())&0xffffff) {
		kind, payload, err := s.read()
		if err != nil {
			return nil, err
		}
		if kind != recordHandshake {
			return nil, fmt.Errorf("a record of type %d within a handshake", kind)
		}
		s.messages.Write(payload)
	}
	size := 4 + int(binary.BigEndian.Uint32(s.messages.Bytes())&0xffffff)
	message := bytes.Clone(s.messages.Next(size))
	if message[0] != want {
		return nil, fmt.Errorf("message %d, want %d", message[0], want)
	}
	s.transcript.Write(message)
	return message[4:], nil
}

// write buffers a message of a handshake.
func (s *tls12) write(kind byte, body []byte) {
	message := append(append([]byte{kind}, length24(len(body))...), body...)
	s.transcript.Write(message)
	s.messages.Write(message)
}

// flush sends the messages.
func (s *tls12) flush() error {
	defer s.messages.Reset()
	return s.send(recordHandshake, s.messages.Bytes())
}

func length24(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }

// derive is the pseudorandom function of TLS 1.2 (RFC 5246, section 5).
func derive(secret []byte, label string, seed []byte, n int) (out []byte) {
	seed = append([]byte(label), seed...)
	for a := mac(secret, seed); len(out) < n; a = mac(secret, a) {
		out = append(out, mac(secret, append(bytes.Clone(a), seed...))...)
	}
	return out[:n]
}

func mac(secret, data []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(data)
	return h.Sum(nil)
}
