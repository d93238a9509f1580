package egress

import (
	"errors"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// watch is what an attempt notes of how it went.
type watch struct {
	start     time.Time
	stream    *stream   // that the request was last sent on; nil if it was not
	reused    bool      // it had carried an earlier request
	ready     time.Time // when it could take the request
	firstByte time.Time // of the answer; zero if none came
	sent      int       // how many times the request was written, in whole or in part
}

func newWatch() *watch { return &watch{start: time.Now()} }

// got notes the stream that the request is to be sent on.
func (w *watch) got(s *stream, reused bool) {
	w.stream, w.reused, w.ready = s, reused, time.Now()
}

// fill sets the outcome's phases and remote address, and whether the request was
// sent twice, as far as that is known: from the connection, or from the error when
// there was none.
func (w *watch) fill(out *delivery.Outcome, err error) {
	out.Phases.Total = time.Since(w.start)
	out.SentTwice = w.sent > 1
	if w.stream == nil {
		if failed, is := errors.AsType[*dialError](err); is {
			if failed.stream != nil {
				out.RemoteAddr = failed.stream.remote
			}
			failed.took.fill(&out.Phases)
		}
		return
	}
	out.RemoteAddr = w.stream.remote
	if !w.reused {
		w.stream.took.fill(&out.Phases)
	}
	if !w.firstByte.IsZero() {
		out.Phases.FirstByte = max(0, w.firstByte.Sub(w.ready))
	}
}

func (d durations) fill(p *delivery.Phases) {
	p.Resolve, p.Connect, p.TLS = d.resolve, d.connect, d.tls
}
