package portal

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

// writers are gzip writers to be used again: a new one takes most of a
// megabyte.
type writers struct{ pool sync.Pool }

// write writes a whole body, compressed when the browser takes that.
func (z *writers) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(status)
		_, _ = w.Write(body) // a reader that has left
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	g, kept := z.pool.Get().(*gzip.Writer)
	if !kept {
		g = gzip.NewWriter(io.Discard)
	}
	defer z.pool.Put(g)
	g.Reset(w)
	_, _ = g.Write(body) // a reader that has left
	_ = g.Close()
}
