package portal

import (
	"compress/gzip"
	"io"
	"net/http"
	"sync"

	"github.com/andybalholm/brotli"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
)

// compressor is a writer that can be reused.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// writers are pools of compressors: a new one takes most of a megabyte.
type writers struct{ brotli, gzip sync.Pool }

// write writes a whole body, compressed as the browser takes it.
func (z *writers) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	encoding := render.Encoding(r)
	if encoding == "" {
		w.WriteHeader(status)
		_, _ = w.Write(body) // a reader that has left
		return
	}
	h.Set("Content-Encoding", encoding)
	w.WriteHeader(status)
	pool, fresh := &z.gzip, func() compressor { return gzip.NewWriter(io.Discard) }
	if encoding == render.Brotli {
		pool, fresh = &z.brotli, func() compressor { return brotli.NewWriterLevel(io.Discard, render.BrotliLevel) }
	}
	c, kept := pool.Get().(compressor)
	if !kept {
		c = fresh()
	}
	defer pool.Put(c)
	c.Reset(w)
	_, _ = c.Write(body) // a reader that has left
	_ = c.Close()
}
