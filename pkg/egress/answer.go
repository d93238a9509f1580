package egress

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// capture reads the answer, at most c.max bytes after decompression, and
// returns what is kept of it. It reads on past what is kept so that the
// connection of a short answer can be used again. Whatever ends the reading
// early (the deadline, a reset, bytes that do not unpack) only marks the body
// as cut: the status has decided already.
func (c *Client) capture(resp *http.Response) delivery.Response {
	defer resp.Body.Close() //nolint:errcheck // it was read, or given up
	kept := delivery.Response{Header: resp.Header}
	if resp.ContentLength == 0 || resp.Body == http.NoBody {
		return kept
	}
	if !isGzip(resp.Header) {
		kept.Body, kept.Truncated = c.read(resp.Body)
		return kept
	}
	// The packed bytes are bounded as well: empty blocks unpack to nothing,
	// for ever.
	unpack := c.gunzip.Get().(*gzip.Reader)
	defer c.gunzip.Put(unpack)
	if err := unpack.Reset(io.LimitReader(resp.Body, int64(c.max))); err != nil {
		kept.Truncated = true
		return kept
	}
	kept.Body, kept.Truncated = c.read(unpack)
	return kept
}

// read returns the first c.keep bytes of a body and whether it had more, or
// had not ended when reading it did.
func (c *Client) read(body io.Reader) (kept []byte, cut bool) {
	scratch := c.scratch.Get().(*[]byte)
	defer c.scratch.Put(scratch)
	buf := *scratch
	for total := 0; total < c.max; {
		n, err := body.Read(buf[:min(len(buf), c.max-total)])
		total += n
		kept = append(kept, buf[:min(n, c.keep-len(kept))]...)
		if err != nil {
			return kept, total > c.keep || !errors.Is(err, io.EOF)
		}
	}
	return kept, true
}

func isGzip(h http.Header) bool {
	encoding := h.Get("Content-Encoding")
	return strings.EqualFold(encoding, "gzip") || strings.EqualFold(encoding, "x-gzip")
}
