package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// watch notes which connection a request got and when its answer began. A
// transport may still call it when the request is over, hence the atomics.
type watch struct {
	start     time.Time
	conn      atomic.Pointer[conn]
	reused    atomic.Bool
	ready     atomic.Int64 // nanoseconds after start; 0 when it did not happen
	firstByte atomic.Int64
}

func newWatch() *watch { return &watch{start: time.Now()} }

// follow returns a context in which the transport tells w what it does.
func (w *watch) follow(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: w.gotConn, GotFirstResponseByte: w.gotFirstByte})
}

func (w *watch) gotConn(info httptrace.GotConnInfo) {
	raw := info.Conn
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if c, ok := raw.(*conn); ok {
		w.conn.Store(c)
	}
	w.reused.Store(info.Reused)
	w.ready.Store(int64(time.Since(w.start)))
}

// got notes the connection of a request that does not go by the transport.
func (w *watch) got(c *conn, reused bool) {
	w.conn.Store(c)
	w.reused.Store(reused)
	w.ready.Store(int64(time.Since(w.start)))
}

func (w *watch) gotFirstByte() { w.firstByte.Store(int64(time.Since(w.start))) }

// fill sets the outcome's phases and remote address, as far as they are known:
// from the connection, or from the error when there was none.
func (w *watch) fill(out *delivery.Outcome, err error) {
	out.Phases.Total = time.Since(w.start)
	c := w.conn.Load()
	if c == nil {
		if failed, is := errors.AsType[*dialError](err); is {
			out.RemoteAddr = failed.remote
			failed.took.fill(&out.Phases)
		}
		return
	}
	out.RemoteAddr = c.remote
	if !w.reused.Load() {
		c.took.fill(&out.Phases)
	}
	if first := w.firstByte.Load(); first != 0 {
		out.Phases.FirstByte = time.Duration(max(0, first-w.ready.Load()))
	}
}

func (d durations) fill(p *delivery.Phases) {
	p.Resolve, p.Connect, p.TLS = d.resolve, d.connect, d.tls
}
