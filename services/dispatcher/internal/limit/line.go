package limit

import (
	"context"
	"slices"
	"time"
)

// waiter is a delivery in a webhook's line. It is used again.
type waiter struct {
	turn  chan struct{} // holds a token when the delivery has a place
	timer *time.Timer
}

func newWaiter() any {
	idle := time.NewTimer(time.Hour)
	idle.Stop()
	return &waiter{turn: make(chan struct{}, 1), timer: idle}
}

// Turn is a place in a webhook's line. It must be waited for.
type Turn struct {
	webhooks *Webhooks
	id       string
	mine     *waiter
}

// Join joins the line of deliveries that wait for a webhook: turns come in
// the order of the calls.
func (w *Webhooks) Join(id string) Turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	t := Turn{webhooks: w, id: id, mine: w.join(l)}
	w.serve(id, l)
	return t
}

// Wait waits for the turn, and then has a place that must be given back with
// Leave. It reports false when ctx ends first, or when the webhook has not
// answered for a while: a delivery that waits holds a slot that others could use.
func (t Turn) Wait(ctx context.Context) bool {
	return t.webhooks.await(ctx, t.id, t.mine, fastLatency, func(c counts, _ int) bool { return c.answers(time.Now()) })
}

// await waits for a turn. Each time that it has waited for so long it asks whether
// to wait on, with the number of deliveries that are before this one.
func (w *Webhooks) await(ctx context.Context, id string, mine *waiter, every time.Duration, waitsOn func(c counts, before int) bool) bool {
	defer w.waiters.Put(mine)
	select {
	case <-mine.turn:
		return true
	default:
	}
	defer mine.timer.Stop()
	for {
		mine.timer.Reset(every)
		select {
		case <-mine.turn:
			return true
		case <-ctx.Done():
			waitsOn = func(counts, int) bool { return false }
		case <-mine.timer.C:
		}
		if w.leaveLine(id, mine, waitsOn) {
			return false
		}
	}
}

// leaveLine takes a delivery out of the line unless it waits on. It reports false
// when the delivery is to go on waiting, also when its turn came at the same moment:
// then it has its place.
func (w *Webhooks) leaveLine(id string, mine *waiter, waitsOn func(c counts, before int) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	before := slices.Index(l.waiting, mine)
	if before < 0 || waitsOn(w.counts(l), before) {
		return false
	}
	l.waiting = slices.Delete(l.waiting, before, before+1)
	w.forget(id, l)
	return true
}

// join puts a delivery at the end of the line. The lock is held.
func (w *Webhooks) join(l *load) *waiter {
	mine := w.waiters.Get().(*waiter)
	l.waiting = append(l.waiting, mine)
	return mine
}

// serve hands free places to the deliveries that wait. The lock is held.
func (w *Webhooks) serve(id string, l *load) {
	for len(l.waiting) > 0 && w.counts(l).served() {
		first := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		w.take(l)
		first.turn <- struct{}{}
	}
	w.forget(id, l)
}
