package egress_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
)

// meant returns why egress may make something else of an answer than net/http
// does, "" if it may not.
func meant(p parsing, reference, got seen) string {
	switch {
	case reference.class == "" && (reference.status < 100 || reference.status > 599) && got.class == delivery.ReasonProtocol:
		return "RFC 9110, section 15: a status is a number from 100 to 599"
	case reference.class == delivery.ReasonProtocol && p.inHead && got.class == delivery.ReasonReset:
		return "net/http parses the part of a line after which the connection ended"
	default:
		return ""
	}
}

// disagree returns what two clients did not see alike, "" when they agree.
func disagree(reference, got seen) string {
	switch {
	case reference.class != got.class:
		return "the class of the failure differs"
	case reference.status != got.status:
		return "the status differs"
	case reference.class != "", reference.status == http.StatusSwitchingProtocols:
		return "" // there is nothing more to see
	case !sameHeader(reference.answer.Header, got.answer):
		return "the header differs"
	default:
		return disagreeAboutBody(reference, got.answer)
	}
}

// sameHeader reports whether a header is that of net/http, or a part of it if it is
// said to be cut.
func sameHeader(reference http.Header, got delivery.Response) bool {
	if !got.HeaderTruncated {
		return maps.EqualFunc(reference, got.Header, slices.Equal)
	}
	for name, values := range got.Header {
		for _, value := range values {
			if !slices.ContainsFunc(reference[name], func(whole string) bool { return strings.HasPrefix(whole, value) }) {
				return false
			}
		}
	}
	return true
}

// disagreeAboutBody compares bodies. One that gzip packed is kept unpacked, as far
// as it unpacks, or as it came. FuzzUnpack tries other codings.
func disagreeAboutBody(reference seen, got delivery.Response) string {
	want, cut := reference.answer.Body, reference.answer.Truncated
	coding := strings.ToLower(strings.Join(got.Header["Content-Encoding"], ","))
	switch {
	case coding == "", len(reference.whole) == 0, coding == "gzip" && got.Encoding == "gzip":
	case coding != "gzip":
		return ""
	default:
		text, err := unpacked(reference.whole)
		want, cut = first(text), err != nil || len(text) > egress.DefaultKeepAnswer || !reference.ended
		if err != nil { // how far it unpacks depends on how it is read
			want = want[:min(len(want), len(got.Body))]
		}
	}
	switch {
	case !bytes.Equal(want, got.Body):
		return "the body differs"
	case cut != got.Truncated:
		return "the body is cut, or it is not"
	default:
		return ""
	}
}

// unpacked returns what a gzip file unpacks to, without what stands behind it.
func unpacked(packed []byte) ([]byte, error) {
	from, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(from)
	if errors.Is(err, gzip.ErrHeader) {
		err = nil // the files before are whole
	}
	return text, err
}

// seeds are inputs from which a fuzz test begins: answers as they stand, in all
// ways, and random choices.
func seeds() (all [][]byte) {
	for _, text := range []string{
		"", ok, "HTTP/1.1 204 No Content\r\n\r\n", head200 + "\r\nok",
		head200 + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: a\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		strings.Repeat(hint, 6) + ok,
		ok + foreign, ok + "\r\n", ok[:len(ok)-1], ok[:12], ok[:20],
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello",
		"HTTP/1.1 099 Low\r\n\r\n" + ok, "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		head200 + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		head200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
		head200 + "X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
	} {
		for flags := range byte(inputVerbatim) {
			pieces := []byte{0}
			if flags%3 == 0 {
				pieces = []byte{2, 0, 10, 0, 40}
			}
			all = append(all, slices.Concat([]byte{inputVerbatim | flags}, pieces, []byte(text)))
		}
	}
	return all
}
