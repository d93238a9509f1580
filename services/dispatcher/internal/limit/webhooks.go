package limit

import (
	"context"
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
	sweep      *time.Timer
	swept      time.Time // when the line is swept next; zero when it need not be
	latency    time.Duration
	remembered time.Duration // what is remembered of latency; 0 for nothing
	lastEnd    time.Time     // when an attempt last ended, or the first of those in flight began
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
	mine, decided := w.ask(ctx, id)
	if decided != queued {
		return decided == granted
	}
	return w.wait(mine)
}

// ask decides on a delivery that asks for a place. One that has to wait joins the
// line.
func (w *Webhooks) ask(ctx context.Context, id string) (mine *waiter, decided decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	c := w.counts(l)
	switch decided = c.decide(time.Now()); decided {
	case granted:
		w.take(l)
	case queued:
		mine = w.join(ctx, id, l, c.maxWait(), whileMoving)
	case refused:
		w.forget(id, l)
	}
	return mine, decided
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
