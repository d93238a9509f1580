package egress

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// keepHeader is how much of an answer's header is kept, in bytes.
const keepHeader = 4 << 10

// capture reads the answer, at most c.max bytes before and after unpacking, and
// returns what is kept of it. It reads on past what is kept so that the
// connection of a short answer can be used again. Whatever ends the reading
// early (the deadline, a reset, bytes that do not unpack) only marks the body
// as cut: the status has decided already.
func (c *Client) capture(resp *http.Response) delivery.Response {
	defer resp.Body.Close() //nolint:errcheck // it was read, or given up
	var kept delivery.Response
	kept.Header, kept.HeaderTruncated = boundHeader(resp.Header, keepHeader)
	if resp.ContentLength == 0 || resp.Body == http.NoBody {
		return kept
	}
	names := codings(resp.Header)
	if len(names) == 0 {
		body, total, ended := c.read(resp.Body, nil, c.keep)
		kept.Body, kept.Truncated = body, total > c.keep || !ended
		return kept
	}
	u := c.unpackers.Get().(*unpacker)
	defer c.unpackers.Put(u)
	var ended bool
	u.packed, _, ended = c.read(resp.Body, u.packed[:0], c.max)
	body, cut, left := u.unpack(u.packed, ended, names, c.max+1)
	kept.Body, kept.Truncated, kept.Encoding = bytes.Clone(body[:min(len(body), c.keep)]), cut || len(body) > c.keep, left
	return kept
}

// read reads a body, at most c.max bytes, and appends the first keep of them to
// kept. It returns that, how many bytes there were, and whether the body ended
// with them.
func (c *Client) read(body io.Reader, kept []byte, keep int) (_ []byte, total int, ended bool) {
	scratch := c.scratch.Get().(*[]byte)
	defer c.scratch.Put(scratch)
	buf := *scratch
	for total < c.max {
		n, err := body.Read(buf[:min(len(buf), c.max-total)])
		total += n
		kept = append(kept, buf[:min(n, keep-len(kept))]...)
		if err != nil {
			return kept, total, errors.Is(err, io.EOF)
		}
	}
	return kept, total, false
}

// boundHeader returns a header, and false, when its lines take at most most
// bytes. Else it returns the shortest of its lines, so that a long one does not
// displace the others, and true; one that is too long for what is left is cut.
func boundHeader(h http.Header, most int) (map[string][]string, bool) {
	const around = len(": \r\n")
	size := 0
	for name, values := range h {
		for _, value := range values {
			size += len(name) + len(value) + around
		}
	}
	if size <= most {
		return h, false
	}
	kept, left := make(map[string][]string), most
	for _, line := range shortestFirst(h) {
		room := left - len(line.name) - around
		if room <= 0 {
			continue
		}
		value := line.value[:min(len(line.value), room)]
		kept[line.name] = append(kept[line.name], strings.Clone(value)) // not the whole line with it
		left = room - len(value)
	}
	return kept, true
}

type headerLine struct{ name, value string }

// shortestFirst returns the lines of a header, those of one length in the order
// of their names, and those of one name as they came.
func shortestFirst(h http.Header) []headerLine {
	var lines []headerLine
	for name, values := range h {
		for _, value := range values {
			lines = append(lines, headerLine{name, value})
		}
	}
	slices.SortStableFunc(lines, func(a, b headerLine) int {
		return cmp.Or(cmp.Compare(len(a.name)+len(a.value), len(b.name)+len(b.value)), strings.Compare(a.name, b.name))
	})
	return lines
}
