package app

import (
	"sync"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
)

// listener passes on what happens to webhooks: first the cache drops what it
// knew, then the lanes act on what is true now. The fleet is joined before the
// two exist; what is heard until then needs no passing on, since nothing is
// cached and no lane is read yet.
type listener struct {
	mu      sync.Mutex
	matcher *match.Matcher
	lanes   *queue.Lanes
	ordered *queue.Ordered
}

func (l *listener) begin(m *match.Matcher, lanes *queue.Lanes, o *queue.Ordered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.matcher, l.lanes, l.ordered = m, lanes, o
}

func (l *listener) parts() (*match.Matcher, *queue.Lanes, *queue.Ordered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.matcher, l.lanes, l.ordered
}

// Changed implements stream.Listener.
func (l *listener) Changed(c stream.Change) {
	matcher, lanes, inOrder := l.parts()
	if matcher == nil {
		return
	}
	if c == (stream.Change{}) {
		matcher.DropAll()
	} else {
		matcher.Drop(c.OrganizationID)
	}
	lanes.Changed(c)
	inOrder.Changed(c)
}

// Arrived implements stream.Listener.
func (l *listener) Arrived(a stream.Arrival) {
	if _, lanes, _ := l.parts(); lanes != nil {
		lanes.Arrived(a)
	}
}
