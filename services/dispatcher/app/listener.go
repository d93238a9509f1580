package app

import (
	"sync"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/queue"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
)

// listener passes announcements on: first the cache drops the organization, then
// the queues look at the webhook as it is now. The replica joins the fleet before
// cache and queues exist. Announcements until then are ignored, since nothing is
// cached and no queue is read yet.
type listener struct {
	mu      sync.Mutex
	matcher *match.Matcher
	lanes   *queue.Lanes
	ordered *queue.Ordered
	repeats *repeat.Finder
}

func (l *listener) begin(m *match.Matcher, lanes *queue.Lanes, o *queue.Ordered, r *repeat.Finder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.matcher, l.lanes, l.ordered, l.repeats = m, lanes, o, r
}

func (l *listener) parts() (*match.Matcher, *queue.Lanes, *queue.Ordered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.matcher, l.lanes, l.ordered
}

// Changed implements stream.Listener.
func (l *listener) Changed(c stream.Change) {
	matcher, lanes, ordered := l.parts()
	if matcher == nil {
		return
	}
	if c == (stream.Change{}) {
		matcher.DropAll()
	} else {
		matcher.Drop(c.OrganizationID)
	}
	lanes.Changed(c)
	ordered.Changed(c)
}

// Arrived implements stream.Listener.
func (l *listener) Arrived(a stream.Arrival) {
	if _, lanes, _ := l.parts(); lanes != nil {
		lanes.Arrived(a)
	}
}

// TakenElsewhere implements stream.Listener.
func (l *listener) TakenElsewhere(taken []stream.Taken) {
	l.mu.Lock()
	repeats := l.repeats
	l.mu.Unlock()
	if repeats != nil {
		repeats.TakenElsewhere(taken)
	}
}
