package limit

import (
	"context"
	"time"
)

// waiter is a delivery in a webhook's line. It is used again.
type waiter struct {
	ctx     context.Context        //nolint:containedctx // of the delivery: whether it still waits is asked on its behalf
	then    func(entered bool) Job // what the delivery does when its turn has come; nil for one whose goroutine waits
	turn    chan bool              // otherwise, whether the delivery has a place; holds one answer
	waitsOn func(m *waiter, c counts, before int, now time.Time) bool
	every   time.Duration // after which it is asked, each time, whether it waits on
	due     time.Time     // when it is asked next
	asked   int           // how often it was
}

func newWaiter() any { return &waiter{turn: make(chan bool, 1)} }

// answer tells a delivery whether it has a place. It returns what the delivery does
// then, nil when its own goroutine does it.
func (w *Webhooks) answer(m *waiter, entered bool) Job {
	if m.then == nil {
		m.turn <- entered
		return nil
	}
	then := m.then
	m.ctx, m.then = nil, nil
	w.waiters.Put(m)
	return func() Job { return then(entered) }
}

// Turn is a place in a webhook's line. It must be waited for.
type Turn struct {
	webhooks *Webhooks
	mine     *waiter
}

// Join joins the line of deliveries that wait for a webhook: turns come in
// the order of the calls.
func (w *Webhooks) Join(ctx context.Context, of Of) Turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(of)
	t := Turn{webhooks: w, mine: w.join(ctx, of.WebhookID, l, fastLatency, whileAnswering)}
	w.Do(w.serve(of.WebhookID, l))
	return t
}

// Wait waits for the turn, and then has a place that must be given back with
// Leave. It reports false when the context of Join has ended, or when the webhook
// has not answered for a while: a delivery that waits holds a slot that others
// could use. It does not notice the end of the context before the turn comes or
// another quarter of a second has passed.
func (t Turn) Wait() bool {
	entered := <-t.mine.turn
	t.mine.ctx = nil
	t.webhooks.waiters.Put(t.mine)
	return entered
}

// whileAnswering has a delivery wait on while its webhook answers and its
// organization may have more places.
func whileAnswering(_ *waiter, c counts, _ int, now time.Time) bool {
	return c.answers(now) && c.admits(now)
}

// whileMoving has a delivery wait on while its turn may be expected.
func whileMoving(m *waiter, c counts, before int, now time.Time) bool {
	return m.asked <= maxExtensions && c.extends(m.every, before, now)
}

// The lock is held in all that follows, except in sweep.

// join puts a delivery at the end of the line.
func (w *Webhooks) join(ctx context.Context, id string, l *load, every time.Duration, waitsOn func(*waiter, counts, int, time.Time) bool) *waiter {
	mine := w.waiters.Get().(*waiter)
	mine.ctx, mine.every, mine.waitsOn, mine.asked = ctx, every, waitsOn, 0
	mine.due = time.Now().Add(every)
	l.waiting = append(l.waiting, mine)
	w.sweepAt(id, l, mine.due)
	return mine
}

// serve hands free places to the deliveries that wait. It returns what the first of
// them does then; workers do the others.
func (w *Webhooks) serve(id string, l *load) (next Job) {
	for len(l.waiting) > 0 {
		c, now := w.counts(l), time.Now()
		if !c.served(now) {
			break
		}
		first := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		waits := first.ctx.Err() == nil
		if waits {
			w.take(l, c, now)
		}
		job := w.answer(first, waits)
		if next == nil {
			next = job
		} else {
			w.Do(job)
		}
	}
	w.forget(id, l)
	return next
}

// sweepAt has a line swept at a time, or earlier. A line has one timer: one for
// each delivery would be set and stopped for each, and hardly ever run.
func (w *Webhooks) sweepAt(id string, l *load, at time.Time) {
	switch {
	case l.sweep == nil:
		l.sweep = time.AfterFunc(time.Until(at), func() { w.sweep(id, l) })
	case l.swept.IsZero() || at.Before(l.swept):
		l.sweep.Reset(time.Until(at))
	default:
		return
	}
	l.swept = at
}

// sweep asks the deliveries of a line whose time has come whether they wait on, and
// takes those out that do not.
func (w *Webhooks) sweep(id string, l *load) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Do(w.serve(id, l)) // others of the organization may have left places
	now, c := time.Now(), w.counts(l)
	l.swept = time.Time{}
	stay := l.waiting[:0]
	for _, m := range l.waiting {
		if !m.due.After(now) {
			m.asked++
			m.due = now.Add(m.every)
			if m.ctx.Err() != nil || !m.waitsOn(m, c, len(stay), now) {
				w.Do(w.answer(m, false))
				continue
			}
		}
		stay = append(stay, m)
	}
	clear(l.waiting[len(stay):])
	l.waiting = stay
	if len(stay) == 0 {
		if w.byID[id] == l {
			w.forget(id, l)
		}
		return
	}
	next := stay[0].due
	for _, m := range stay {
		if m.due.Before(next) {
			next = m.due
		}
	}
	w.sweepAt(id, l, next)
}
