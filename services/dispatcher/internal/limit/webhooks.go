package limit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// knownFast is how many fast webhooks are remembered.
const knownFast = 100_000

// Webhooks counts the attempts in flight by webhook. Safe for concurrent use.
//
// A webhook may have PerWebhook attempts in flight, and never more than an
// eighth of what is free in all: many slow webhooks together leave room for
// the others (a dynamic threshold, as switches share their buffers). However
// many there are, a quarter of all places is kept for webhooks that have shown
// that they answer fast: hundreds that hang until the deadline delay none of
// those.
type Webhooks struct {
	limits     Limits
	remembered *otter.Cache[string, time.Duration] // how long attempts take of those that answer fast, the latest

	waiters sync.Pool // of *waiter

	mu    sync.Mutex
	total int
	slow  int // of total, those that were not known to be fast
	byID  map[string]*load
}

// load is what one webhook has in flight.
type load struct {
	inFlight   int
	slow       int       // of inFlight, those that began when it was not known to be fast
	failures   int       // that are being recorded
	waiting    []*waiter // in order of arrival
	latency    time.Duration
	remembered time.Duration // what is remembered of latency; 0 for nothing
	lastEnd    time.Time     // when an attempt last ended, or the first of those in flight began
}

// waiter is a delivery in a webhook's line. It is used again.
type waiter struct {
	turn  chan struct{} // holds a token when the delivery has a place
	timer *time.Timer
}

// NewWebhooks returns counts at zero.
func NewWebhooks(l Limits) *Webhooks {
	return &Webhooks{
		limits:     l,
		remembered: otter.Must(&otter.Options[string, time.Duration]{MaximumSize: knownFast}),
		waiters:    sync.Pool{New: newWaiter},
		byID:       make(map[string]*load),
	}
}

func newWaiter() any {
	idle := time.NewTimer(time.Hour)
	idle.Stop()
	return &waiter{turn: make(chan struct{}, 1), timer: idle}
}

// InFlight returns how many attempts are in flight in all.
func (w *Webhooks) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Enter takes a place for an attempt to a webhook, which must be given back with
// Leave. When all are taken it waits for as long as the webhook's attempts end fast
// enough for that to help. It reports false when the delivery should go to the
// webhook's lane instead, or ctx has ended.
func (w *Webhooks) Enter(ctx context.Context, id string) bool {
	mine, bound, decided := w.ask(id)
	if decided != queued {
		return decided == granted
	}
	extensions := 0
	return w.await(ctx, id, mine, bound, func(c counts, before int) bool {
		extensions++
		return extensions <= maxExtensions && c.extends(bound, before, time.Now())
	})
}

// ask decides on a delivery that asks for a place. One that has to wait joins the
// line, and is asked after bound whether it waits on.
func (w *Webhooks) ask(id string) (mine *waiter, bound time.Duration, decided decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	c := w.counts(l)
	switch decided = c.decide(time.Now()); decided {
	case granted:
		w.take(l)
	case queued:
		mine = w.join(l)
	case refused:
		w.forget(id, l)
	}
	return mine, c.maxWait(), decided
}

// TryEnter takes a place for an attempt to a webhook if one is free now.
func (w *Webhooks) TryEnter(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	c := w.counts(l)
	entered := c.free() && c.admits(time.Now())
	if entered {
		w.take(l)
	}
	w.forget(id, l)
	return entered
}

// Turn is a place in a webhook's line. It must be waited for.
type Turn struct {
	webhooks *Webhooks
	id       string
	mine     *waiter
}

// Join joins the line of those who wait for a place of a webhook: turns come in
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
		case <-mine.timer.C:
			if w.waitsOn(id, mine, waitsOn) {
				continue
			}
		}
		return w.leaveLine(id, mine)
	}
}

// waitsOn asks whether a delivery waits on. One whose turn has just come does.
func (w *Webhooks) waitsOn(id string, mine *waiter, ask func(c counts, before int) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	before := slices.Index(l.waiting, mine)
	return before < 0 || ask(w.counts(l), before)
}

// leaveLine takes a delivery out of the line. It reports true when its turn came
// at the same moment: then it has its place.
func (w *Webhooks) leaveLine(id string, mine *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	i := slices.Index(l.waiting, mine)
	if i < 0 {
		<-mine.turn
		return true
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	w.forget(id, l)
	return false
}

// FastEnough reports whether a webhook takes deliveries about as fast as they
// could be put into its lane: then waiting for it holds up no other webhook.
func (w *Webhooks) FastEnough(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts(w.peek(id)).fastEnough(time.Now())
}

// Window returns how many deliveries of a webhook's lane it makes sense to hold
// when at most atMost of them may be in flight and so many are held. It is 0 while
// there is no place for webhooks that are not known to be fast.
func (w *Webhooks) Window(id string, atMost, held int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts(w.peek(id)).window(atMost, held, time.Now())
}

// Leave gives a place back. took is how long the attempt took, 0 when none was
// made.
func (w *Webhooks) Leave(id string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	w.total--
	l.inFlight--
	if l.slow > 0 {
		l.slow--
		w.slow--
	}
	if took > 0 {
		l.lastEnd = time.Now()
		w.recordLatency(id, l, took)
	}
	w.serve(id, l)
}

// BeginFailure tells that an attempt has failed in a way that may hold the webhook.
// No delivery's turn comes until EndFailure is called, when the failure is recorded
// and its consequences are known here: what is on hold gets no more requests.
func (w *Webhooks) BeginFailure(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load(id).failures++
}

// EndFailure ends what BeginFailure began.
func (w *Webhooks) EndFailure(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	l.failures--
	w.serve(id, l)
}

// The lock is held in all that follows.

// load returns what a webhook has in flight.
func (w *Webhooks) load(id string) *load {
	l, ok := w.byID[id]
	if !ok {
		l = w.peek(id)
		w.byID[id] = l
	}
	return l
}

// peek is load, but keeps nothing of a webhook that has nothing in flight.
func (w *Webhooks) peek(id string) *load {
	if l, ok := w.byID[id]; ok {
		return l
	}
	remembered, _ := w.remembered.GetIfPresent(id)
	return &load{latency: remembered, remembered: remembered, lastEnd: time.Now()}
}

// forget drops a webhook that has nothing in flight, so that memory follows
// what is in flight and not what ever was.
func (w *Webhooks) forget(id string, l *load) {
	if l.inFlight == 0 && l.failures == 0 && len(l.waiting) == 0 {
		delete(w.byID, id)
	}
}

func (w *Webhooks) counts(l *load) counts {
	return counts{
		limits: w.limits, total: w.total, slow: w.slow,
		inFlight: l.inFlight, waiting: len(l.waiting), failures: l.failures,
		latency: l.latency, remembered: l.remembered > 0, lastEnd: l.lastEnd,
	}
}

// join puts a delivery at the end of the line.
func (w *Webhooks) join(l *load) *waiter {
	mine := w.waiters.Get().(*waiter)
	l.waiting = append(l.waiting, mine)
	return mine
}

// take takes a place.
func (w *Webhooks) take(l *load) {
	now := time.Now()
	if !w.counts(l).fast(now) {
		l.slow++
		w.slow++
	}
	if l.inFlight == 0 {
		l.lastEnd = now
	}
	l.inFlight++
	w.total++
}

// serve hands free places to those who wait.
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

// recordLatency folds a new measurement into a moving average of about eight, and
// remembers it when it is that of a webhook that answers fast. It does not write
// down every small difference.
func (w *Webhooks) recordLatency(id string, l *load, took time.Duration) {
	if l.latency == 0 {
		l.latency = took
	} else {
		l.latency += (took - l.latency) / 8
	}
	switch {
	case l.latency > fastLatency && l.remembered > 0:
		l.remembered = 0
		w.remembered.Invalidate(id)
	case l.latency <= fastLatency && (l.latency > 2*l.remembered || l.latency < l.remembered/2):
		l.remembered = l.latency
		w.remembered.Set(id, l.latency)
	}
}
