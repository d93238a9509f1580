package limit

import (
	"context"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/share"
)

// spareOrganizations is how many organizations without anything in flight are kept
// to be used again: most have one attempt at a time.
const spareOrganizations = 64

// knownFast is how many fast webhooks are remembered.
const knownFast = 100_000

// Of is what an attempt is counted for.
type Of struct{ OrganizationID, WebhookID string }

// Webhooks counts the attempts in flight by webhook and by organization. Safe for
// concurrent use. It is a prometheus.Collector of what is shared and who is held back.
//
// A webhook may have PerWebhook attempts in flight, and never more than an
// eighth of what is free in all: many slow webhooks together leave room for
// the others (a dynamic threshold, as switches share their buffers). However
// many there are, a quarter of all places is kept for webhooks that have shown
// that they answer fast: hundreds that hang until the deadline delay none of
// those. Of all places, and of those for webhooks that are not known to be fast, an
// organization has no more than its share, however many webhooks it has.
type Webhooks struct {
	limits     Limits
	remembered *otter.Cache[string, time.Duration] // how long attempts take of those that answer fast, the latest

	waiters sync.Pool // of *waiter
	do      func(Job) // has a worker do a job; must not block

	meter *share.Meter

	mu            sync.Mutex
	tally                                  // of all webhooks
	byID          map[string]*load         // of webhooks with something in flight
	organizations map[string]*organization // of those webhooks
	spare         []*organization          // to be used again
}

// organization is what the webhooks of an organization have in flight together.
type organization struct {
	tally

	id       string
	webhooks int // that have something in flight
}

// load is what one webhook has in flight.
type load struct {
	of         *organization // nil when nothing is in flight
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

// NewWebhooks returns counts at zero. do has a worker do a job, and must not block.
func NewWebhooks(l Limits, do func(Job)) *Webhooks {
	w := &Webhooks{
		limits:        l,
		remembered:    otter.Must(&otter.Options[string, time.Duration]{MaximumSize: knownFast}),
		waiters:       sync.Pool{New: newWaiter},
		do:            do,
		byID:          make(map[string]*load),
		organizations: make(map[string]*organization),
		spare:         make([]*organization, 0, spareOrganizations),
	}
	w.meter = share.NewMeter("deliveries", w.state)
	return w
}

func (w *Webhooks) state() share.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return share.State{Used: w.total, Limit: w.limits.Total, Waiting: w.lines()}
}

// lines returns how many deliveries wait in all lines. The lock is held.
func (w *Webhooks) lines() int {
	n := 0
	for _, l := range w.byID {
		n += len(l.waiting)
	}
	return n
}

// Describe implements prometheus.Collector.
func (w *Webhooks) Describe(to chan<- *prometheus.Desc) { w.meter.Describe(to) }

// Collect implements prometheus.Collector.
func (w *Webhooks) Collect(to chan<- prometheus.Metric) { w.meter.Collect(to) }

// InFlight returns how many attempts are in flight in all.
func (w *Webhooks) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Enter asks for a place for an attempt to a webhook. It calls then with true when
// there is one, which must be given back with Leave or Pass. When all are taken the
// delivery waits for as long as the webhook's attempts end fast enough for that to
// help. Enter calls then with false when the delivery should go to the webhook's lane
// instead, or ctx has ended.
//
// The delivery waits without a goroutine: Enter returns what then returns, or nil
// when a worker is to call then later.
func (w *Webhooks) Enter(ctx context.Context, of Of, then func(entered bool) Job) Job {
	decided := w.ask(ctx, of, then)
	if decided == queued {
		return nil
	}
	return then(decided == granted)
}

// ask decides on a delivery that asks for a place. One that has to wait joins the
// line.
func (w *Webhooks) ask(ctx context.Context, of Of, then func(entered bool) Job) decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, now := w.load(of), time.Now()
	c := w.counts(l)
	decided := c.decide(now)
	switch decided {
	case granted:
		w.take(l, c, now)
	case queued:
		w.join(ctx, of.WebhookID, l, c.maxWait(), whileMoving).then = then
	case refused:
		w.meter.Refused(c.heldBack(now))
		w.forget(of.WebhookID, l)
	}
	return decided
}

// TryEnter takes a place for an attempt to a webhook if one is free now.
func (w *Webhooks) TryEnter(of Of) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, now := w.load(of), time.Now()
	c := w.counts(l)
	entered := c.free(now)
	if entered {
		w.take(l, c, now)
	} else {
		w.meter.Refused(c.heldBack(now))
	}
	w.forget(of.WebhookID, l)
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
// there is no place, for it or for all webhooks that are not known to be fast.
func (w *Webhooks) Window(of Of, atMost, held int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts(w.peek(of.WebhookID))
	if o := w.organizations[of.OrganizationID]; o != nil {
		c.own = o.tally
	}
	return c.window(atMost, held, time.Now())
}

// Leave gives a place back. took is how long the attempt took, 0 when none was
// made.
func (w *Webhooks) Leave(id string, took time.Duration) { w.Do(w.Pass(id, took)) }

// Do has a worker do a job. It does nothing when there is none.
func (w *Webhooks) Do(job Job) {
	if job != nil {
		w.do(job)
	}
}

// Pass is Leave, and returns the delivery whose turn has come, nil when there is
// none. The caller does it next: a goroutine that has just made an attempt makes
// another at the least cost.
func (w *Webhooks) Pass(id string, took time.Duration) Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	w.total--
	l.of.total--
	l.inFlight--
	if l.slow > 0 {
		l.slow--
		l.of.slow--
		w.slow--
	}
	if took > 0 {
		l.lastEnd = time.Now()
		w.recordLatency(id, l, took)
	}
	return w.serve(id, l)
}

// BeginFailure tells that an attempt has failed in a way that may hold the webhook.
// No delivery's turn comes until EndFailure is called, when the failure is recorded
// and its consequences are known here: what is on hold gets no more requests.
func (w *Webhooks) BeginFailure(of Of) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load(of).failures++
}

// EndFailure ends what BeginFailure began.
func (w *Webhooks) EndFailure(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	l.failures--
	w.Do(w.serve(id, l))
}

// The lock is held in all that follows.

// load returns what a webhook has in flight.
func (w *Webhooks) load(of Of) *load {
	l, ok := w.byID[of.WebhookID]
	if !ok {
		l = w.peek(of.WebhookID)
		l.of = w.organization(of.OrganizationID)
		l.of.webhooks++
		w.byID[of.WebhookID] = l
	}
	return l
}

// organization returns what an organization has in flight.
func (w *Webhooks) organization(id string) *organization {
	o, ok := w.organizations[id]
	if ok {
		return o
	}
	if last := len(w.spare) - 1; last >= 0 {
		o, w.spare = w.spare[last], w.spare[:last]
	} else {
		o = &organization{}
	}
	o.id = id
	w.organizations[id] = o
	return o
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
	if l.of == nil || l.inFlight > 0 || l.failures > 0 || len(l.waiting) > 0 {
		return
	}
	delete(w.byID, id)
	if l.of.webhooks--; l.of.webhooks == 0 {
		delete(w.organizations, l.of.id)
		if len(w.spare) < cap(w.spare) {
			w.spare = append(w.spare, l.of) // all its counts are 0
		}
	}
	l.of = nil
}

func (w *Webhooks) counts(l *load) counts {
	c := counts{
		limits: w.limits, tally: w.tally,
		inFlight: l.inFlight, waiting: len(l.waiting), failures: l.failures,
		latency: l.latency, remembered: l.remembered > 0, lastEnd: l.lastEnd,
	}
	if l.of != nil {
		c.own = l.of.tally
	}
	return c
}

// take takes a place.
func (w *Webhooks) take(l *load, c counts, now time.Time) {
	if !c.fast(now) {
		l.slow++
		l.of.slow++
		w.slow++
	}
	if l.inFlight == 0 {
		l.lastEnd = now
	}
	l.inFlight++
	l.of.total++
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
