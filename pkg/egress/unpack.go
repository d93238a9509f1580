package egress

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

const (
	// maxCodings bounds how many times a body is unpacked.
	maxCodings = 3

	// maxCodingNames bounds what is kept of the names of codings, in bytes.
	maxCodingNames = 100
)

// errNotPacked says of a body that it is not packed as its header says, or by a
// coding that is not known here.
var errNotPacked = errors.New("not packed so")

// codings returns the content codings of an answer in lower case, in the order in
// which they were applied (RFC 9110, section 8.4).
func codings(h http.Header) []string {
	var names []string
	for _, field := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(field, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch {
			case name == "" || name == "identity":
			case !httpguts.ValidHeaderFieldName(name): // both are tokens
				names = append(names, "unknown")
			default:
				names = append(names, name)
			}
		}
	}
	return names
}

// unpacker unpacks bodies. It can be used again.
type unpacker struct {
	packed []byte // the body as it came
	gzip   gzip.Reader
}

// unpack undoes the codings of a body, of which raw has come, and not all unless
// ended. Each time it unpacks at most most bytes. It returns the body, whether
// more of it was to come, and the names of the codings that it could not undo.
// The body is as it came then: what is said to be packed may be plain text.
func (u *unpacker) unpack(raw []byte, ended bool, names []string, most int) (body []byte, cut bool, left string) {
	body, cut = raw, !ended
	if len(raw) == 0 {
		return nil, cut, ""
	}
	for len(names) > 0 && len(names) <= maxCodings {
		unpacked, err := u.undo(names[len(names)-1], body, most)
		if errors.Is(err, errNotPacked) {
			break
		}
		body, cut, names = unpacked, cut || err != nil, names[:len(names)-1]
	}
	left = strings.Join(names, ", ")
	return body, cut, left[:min(len(left), maxCodingNames)]
}

// undo returns what a body unpacks to, at most most bytes. When it breaks off, or
// goes on in bytes that do not unpack, an error comes with what there is.
func (u *unpacker) undo(coding string, packed []byte, most int) (body []byte, err error) {
	switch coding {
	case "gzip", "x-gzip":
		body, err = u.gunzip(packed, most)
	case "deflate":
		return inflate(packed, most)
	default:
		return nil, errNotPacked
	}
	if corrupt(err) && len(body) == 0 {
		return nil, errNotPacked
	}
	return body, err
}

// corrupt reports whether an error of unpacking is about bytes that are wrong, and
// not about bytes that are missing.
func corrupt(err error) bool { return err != nil && !errors.Is(err, io.ErrUnexpectedEOF) }

// gunzip returns what a gzip file unpacks to: one member after the other, without
// what stands behind the last (RFC 1952, section 2.2).
func (u *unpacker) gunzip(packed []byte, most int) (body []byte, err error) {
	from := bytes.NewReader(packed)
	for member := 0; ; member++ {
		rest := packed[len(packed)-from.Len():]
		switch magic := "\x1f\x8b"; {
		case strings.HasPrefix(magic, string(rest[:min(len(rest), len(magic))])) && len(rest) > 0:
		case member == 0:
			return nil, errNotPacked
		default:
			return body, nil
		}
		if err := u.gzip.Reset(from); err != nil {
			return body, err //nolint:wrapcheck // its kind is all that is asked for
		}
		u.gzip.Multistream(false)
		more, err := readAtMost(&u.gzip, most-len(body))
		body = append(body, more...)
		if err != nil || len(body) >= most {
			return body, err
		}
	}
}

// inflate returns what a body unpacks to by the coding "deflate", which is zlib by
// RFC 9110, section 8.4.1.2, and bare deflate from many servers. Bare deflate has
// no sign of its own and no checksum: plain text unpacks to something, too. So it
// must end where the body does, or the body must be no text when it breaks off.
func inflate(packed []byte, most int) ([]byte, error) {
	if from, err := zlib.NewReader(bytes.NewReader(packed)); err == nil {
		body, err := readAtMost(from, most)
		if err == nil || !utf8.Valid(packed) && (len(body) > 0 || !corrupt(err)) {
			return body, err
		}
	}
	from := bytes.NewReader(packed)
	body, err := readAtMost(flate.NewReader(from), most)
	switch {
	case err == nil && (from.Len() == 0 || len(body) == most):
		return body, nil
	case err != nil && !corrupt(err) && !utf8.Valid(packed):
		return body, err
	}
	return nil, errNotPacked
}

// readAtMost reads so many bytes, or what there is before an error.
func readAtMost(from io.Reader, most int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(from, int64(most))) //nolint:wrapcheck // its kind is all that is asked for
}
