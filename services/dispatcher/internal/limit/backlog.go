package limit

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/share"
)

// Backlog is the deliveries that a replica has begun and not recorded yet. The
// partitions of the events share it, so that what arrives in one of them keeps no
// event of another from being pulled. It is a prometheus.Collector of its own state.
// Safe for concurrent use.
type Backlog struct {
	meter *share.Meter
	rule  share.Rule

	mu      sync.Mutex
	used    int
	waiting int // callers of Wait
}

// Lot is the part of a backlog that is of one partition.
type Lot struct {
	backlog *Backlog
	own     int
	room    []chan struct{} // of the callers of Wait
}

// NewBacklog returns an empty backlog for total deliveries. A partition that is alone
// may have half of them.
func NewBacklog(total int) *Backlog {
	b := &Backlog{rule: share.Rule{Total: total, Factor: 1}}
	b.meter = share.NewMeter("partitions", b.state)
	return b
}

// Lot returns a part of the backlog in which there is nothing yet.
func (b *Backlog) Lot() *Lot { return &Lot{backlog: b} }

// Begin counts a delivery that has begun. It does not wait: what was pulled is
// delivered.
func (l *Lot) Begin() {
	b := l.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used++
	l.own++
}

// End counts a delivery that is recorded, or will come again.
func (l *Lot) End() {
	b := l.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used--
	l.own--
	if len(l.room) > 0 && l.check() == nil {
		for _, room := range l.room {
			close(room)
		}
		l.room = nil
	}
}

// Wait waits until the partition has less than its share, so that more of its events
// may be pulled. It returns ctx's error when ctx ends first.
func (l *Lot) Wait(ctx context.Context) error {
	b := l.backlog
	b.mu.Lock()
	why := l.check()
	if why == nil {
		b.mu.Unlock()
		return nil
	}
	b.meter.Waits(why)
	room := make(chan struct{})
	l.room = append(l.room, room)
	b.waiting++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting--
	}()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// check returns nil when the partition may have one delivery more. What it has itself
// ends at some time, and is what it waits for: with nothing it need not wait.
func (l *Lot) check() error {
	if l.own == 0 {
		return nil
	}
	return l.backlog.rule.Check(l.backlog.used, l.own, 1)
}

func (b *Backlog) state() share.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return share.State{Used: b.used, Limit: b.rule.Total, Waiting: b.waiting}
}

// Describe implements prometheus.Collector.
func (b *Backlog) Describe(to chan<- *prometheus.Desc) { b.meter.Describe(to) }

// Collect implements prometheus.Collector.
func (b *Backlog) Collect(to chan<- prometheus.Metric) { b.meter.Collect(to) }
