package app

import (
	"sync"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/lane"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// listener passes on what happens to webhooks: first the cache drops what it
// knew, then the lanes act on what is true now. The fleet is joined before the
// two exist; what is heard until then needs no passing on, since nothing is
// cached and no lane is read yet.
type listener struct {
	mu      sync.Mutex
	matcher *match.Matcher
	lanes   *lane.Lanes
}

func (l *listener) begin(m *match.Matcher, lanes *lane.Lanes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.matcher, l.lanes = m, lanes
}

func (l *listener) parts() (*match.Matcher, *lane.Lanes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.matcher, l.lanes
}

// Changed implements stream.Listener.
func (l *listener) Changed(c stream.Change) {
	matcher, lanes := l.parts()
	if matcher == nil {
		return
	}
	if c == (stream.Change{}) {
		matcher.DropAll()
	} else {
		matcher.Drop(c.OrganizationID)
	}
	lanes.Changed(c)
}

// Arrived implements stream.Listener.
func (l *listener) Arrived(a stream.Arrival) {
	if _, lanes := l.parts(); lanes != nil {
		lanes.Arrived(a)
	}
}
