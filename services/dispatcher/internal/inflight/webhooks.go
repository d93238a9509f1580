package inflight

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// Limits bound the attempts of a replica.
type Limits struct {
	Total      int           // attempts at once, of all webhooks
	PerWebhook int           // attempts at once, of one webhook
	Patience   time.Duration // how long a delivery may expect to wait for its webhook's turn, once an attempt of it has ended
}

// Webhooks counts the attempts in flight by webhook. Safe for concurrent use.
//
// A webhook may have PerWebhook attempts in flight, and never more than an
// eighth of what is free in all: many slow webhooks together leave room for
// the others (a dynamic threshold, as switches share their buffers). However
// many there are, a quarter of all places is kept for webhooks that have shown
// that they answer fast: hundreds that hang until the deadline delay none of
// those.
type Webhooks struct {
	limits Limits
	proven *otter.Cache[string, time.Duration] // how long attempts take of those that answer fast, the latest

	waits sync.Pool // of *wait

	mu    sync.Mutex
	total int
	slow  int // of total, those that were not known to be fast
	byID  map[string]*load
}

const (
	// fast is how long attempts take, on average, of a webhook that answers fast.
	fast = 250 * time.Millisecond

	// remembered is how many fast webhooks are known by name.
	remembered = 100_000

	// reserved is the share of all places that is kept for them.
	reserved = 4

	// stubborn is how many times its patience a delivery waits at most, while its
	// webhook goes on answering.
	stubborn = 10

	// glance is the least time between two looks at who has waited for too long.
	glance = time.Millisecond

	// swift is how much of a webhook's time one delivery may take for it to keep
	// up: about what it takes to put one aside and to take it up again.
	swift = 500 * time.Microsecond
)

// load is what one webhook has in flight.
type load struct {
	inFlight int
	slow     int      // of inFlight, those that began when it was not known to be fast
	suspects int      // failures that are being recorded
	waiting  []queued // in order of arrival
	watched  bool     // somebody looks who has waited for too long
	took     time.Duration
	known    time.Duration // what is remembered of took; 0 for nothing
	progress time.Time     // when an attempt last ended, or the first one began
}

// NewWebhooks returns counts at zero.
func NewWebhooks(l Limits) *Webhooks {
	return &Webhooks{
		limits: l,
		proven: otter.Must(&otter.Options[string, time.Duration]{MaximumSize: remembered}),
		waits:  sync.Pool{New: newWait},
		byID:   make(map[string]*load),
	}
}

// InFlight returns how many attempts are in flight in all.
func (w *Webhooks) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// queued is one of those who wait for a webhook's turn: a Turn, or a delivery.
type queued struct {
	told chan bool // a Turn's: has room for the answer

	entered Entered // a delivery's
	bound   time.Duration
	until   time.Time // when it has waited for another bound
	chances int       // how often it may yet wait on then
}

// Entered goes on with a delivery: it has a place for an attempt to its webhook,
// which must be given back with Leave, or it should go to the webhook's lane
// instead. What it returns is for the caller to run.
type Entered func(entered bool) Next

// Next is the delivery whose turn has come because a place was given back, or
// nobody. Whoever gets one sees to it that it goes on. So a webhook's line moves
// on in the goroutine that has just made an attempt: waking another one for each
// delivery, with a stack of its own, costs more than the signatures.
type Next struct{ entered Entered }

// Run goes on with the delivery whose turn has come, and with those whose turns
// come of it.
func (n Next) Run() {
	for n.entered != nil {
		n = n.entered(true)
	}
}

// Start is Run for callers who have other things to do.
func (n Next) Start() {
	if n.entered != nil {
		go n.Run()
	}
}

// Enter takes a place for an attempt to a webhook and calls entered: at once if
// it can be told at once. When all places are taken the delivery waits for as
// long as the webhook's attempts end fast enough for that to help; then entered
// is called when its turn comes, or when it has waited for too long, and the
// caller is nobody's.
func (w *Webhooks) Enter(id string, entered Entered) Next {
	switch w.enter(id, entered) {
	case in:
		return entered(true)
	case out:
		return entered(false)
	case waits:
	}
	return Next{}
}

// answer is what somebody who enters is told.
type answer int

const (
	waits answer = iota
	in
	out
)

func (w *Webhooks) enter(id string, entered Entered) answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	if !w.welcome(id, l) {
		w.forget(id, l)
		return out
	}
	if w.free(l) {
		w.take(id, l)
		return in
	}
	bound := w.patience(l)
	if !w.answersWithin(bound, l, len(l.waiting)) {
		w.forget(id, l)
		return out
	}
	l.waiting = append(l.waiting, queued{entered: entered, bound: bound, until: time.Now().Add(bound), chances: stubborn - 1})
	w.watch(id, l, bound)
	return waits
}

// watch has somebody look, in a while, who has waited for too long. One looks
// after a whole line. The lock is held.
func (w *Webhooks) watch(id string, l *load, in time.Duration) {
	if !l.watched {
		l.watched = true
		time.AfterFunc(in, func() { w.look(id, l) })
	}
}

// look sends those away who have waited for too long. Who has waited for as long
// as they may may go on when the webhook still answers and those before them are
// few enough: what a busy machine delays is not the webhook's fault.
func (w *Webhooks) look(id string, l *load) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID[id] != l { // its line is long gone
		return
	}
	l.watched = false
	now, soonest := time.Now(), time.Duration(-1)
	stay := l.waiting[:0]
	for _, m := range l.waiting {
		if m.entered != nil {
			if !now.Before(m.until) {
				if m.chances == 0 || l.took == 0 || !w.answersWithin(m.bound, l, len(stay)) {
					go m.entered(false).Run()
					continue
				}
				m.chances--
				m.until = now.Add(m.bound)
			}
			if left := m.until.Sub(now); soonest < 0 || left < soonest {
				soonest = left
			}
		}
		stay = append(stay, m)
	}
	clear(l.waiting[len(stay):])
	l.waiting = stay
	if soonest >= 0 {
		w.watch(id, l, max(soonest, glance))
	}
	w.forget(id, l)
}

// wait is what a Turn waits with in a webhook's line. It is used again.
type wait struct {
	turn     chan bool // has room for the answer
	patience *time.Timer
}

func newWait() any {
	idle := time.NewTimer(time.Hour)
	idle.Stop()
	return &wait{turn: make(chan bool, 1), patience: idle}
}

// KeepsUp reports whether a webhook takes deliveries about as fast as they could
// be put aside: then waiting for it holds nobody up.
func (w *Webhooks) KeepsUp(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, ok := w.byID[id]
	if !ok {
		took, known := w.proven.GetIfPresent(id)
		return known && took/time.Duration(w.limit()) <= swift
	}
	return w.keepsUp(l)
}

func (w *Webhooks) keepsUp(l *load) bool {
	return l.took > 0 && max(l.took, time.Since(l.progress))/time.Duration(w.limit()) <= swift
}

// TryEnter takes a place for an attempt to a webhook if one is free now.
func (w *Webhooks) TryEnter(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load(id)
	free := w.free(l) && w.welcome(id, l)
	if free {
		w.take(id, l)
	}
	w.forget(id, l)
	return free
}

// Turn is a place in a webhook's line. It must be waited for.
type Turn struct {
	webhooks *Webhooks
	id       string
	mine     *wait
}

// Queue joins the line of those who wait for a place of a webhook: turns come
// in the order of the calls.
func (w *Webhooks) Queue(id string) Turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := Turn{webhooks: w, id: id, mine: w.waits.Get().(*wait)}
	l := w.load(id)
	if w.free(l) {
		w.take(id, l)
		t.mine.turn <- true
	} else {
		l.waiting = append(l.waiting, queued{told: t.mine.turn})
	}
	return t
}

// Wait waits for the turn, and then has a place that must be given back with
// Leave. It reports false when ctx ends first, or when the webhook has not
// answered for a while: whoever waits holds a slot that others could use.
func (t Turn) Wait(ctx context.Context) bool {
	defer t.webhooks.waits.Put(t.mine)
	select {
	case <-t.mine.turn:
		return true
	default:
	}
	defer t.mine.patience.Stop()
	for {
		t.mine.patience.Reset(fast)
		select {
		case <-t.mine.turn:
			return true
		case <-ctx.Done():
		case <-t.mine.patience.C:
			if t.webhooks.answers(t.id) {
				continue
			}
		}
		return t.webhooks.giveUp(t.id, t.mine.turn) && <-t.mine.turn
	}
}

// answers reports whether an attempt of a webhook has ended lately, or none is
// in flight: then its line only waits for a failure to be recorded.
func (w *Webhooks) answers(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	return l.inFlight == 0 || time.Since(l.progress) < fast
}

// Window returns how many deliveries of a webhook's lane it makes sense to hold
// when at most atMost of them may be in flight and so many are held: those, and
// as many more as will have their turn within some milliseconds, so that a fast
// endpoint never waits for the next and a slow one holds nothing that others
// could use. Of one that is slow, or not known yet, that is what it has places
// for beside the attempts that did not come out of the lane: whoever waits for
// those waits until the deadline. It is 0 while there is no place for webhooks
// that are not known to be fast.
func (w *Webhooks) Window(id string, atMost, held int) int {
	const ahead = 10 * time.Millisecond
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := min(atMost, w.limit())
	l, ok := w.byID[id]
	switch {
	case !w.welcome(id, l):
		return 0
	case !ok:
		return limit
	case !w.fast(id, l):
		others := max(0, l.inFlight+len(l.waiting)-held)
		return max(0, min(atMost, w.limit()-others))
	case l.took == 0 || limit == 1:
		return limit
	}
	return limit + min(limit, int(ahead*time.Duration(limit)/l.took))
}

// Leave gives a place back, and returns whose turn has come of it. took is how
// long the attempt took, 0 when none was made.
func (w *Webhooks) Leave(id string, took time.Duration) Next {
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
		l.progress = time.Now()
		l.took = smooth(l.took, took)
		w.prove(id, l)
	}
	return w.serve(id, l)
}

// Suspect tells that an attempt has failed in a way that may hold the webhook.
// Nobody's turn comes until Settled is called, when the failure is recorded and
// its consequences are known here: what is on hold gets no more requests.
func (w *Webhooks) Suspect(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load(id).suspects++
}

// Settled ends what Suspect began.
func (w *Webhooks) Settled(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	l.suspects--
	w.serve(id, l).Start()
}

// serve hands free places to those who wait, and returns the first who is to be
// gone on with. The lock is held.
func (w *Webhooks) serve(id string, l *load) (next Next) {
	for len(l.waiting) > 0 && l.suspects == 0 && l.inFlight < w.limit() {
		first := l.waiting[0]
		l.waiting[0] = queued{}
		l.waiting = l.waiting[1:]
		w.take(id, l)
		switch {
		case first.told != nil:
			first.told <- true
		case next.entered == nil:
			next = Next{first.entered}
		default:
			Next{first.entered}.Start()
		}
	}
	w.forget(id, l)
	return next
}

// free reports whether a newcomer has a place at once. The lock is held.
func (w *Webhooks) free(l *load) bool {
	return l.inFlight < w.limit() && l.suspects == 0 && len(l.waiting) == 0
}

// giveUp takes a Turn out of the line. It reports true when it came at the same
// moment, and is there to be taken.
func (w *Webhooks) giveUp(id string, turn chan bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byID[id]
	i := slices.IndexFunc(l.waiting, func(m queued) bool { return m.told == turn })
	if i < 0 {
		return true
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	w.forget(id, l)
	return false
}

func (w *Webhooks) load(id string) *load {
	l, ok := w.byID[id]
	if !ok {
		l = &load{progress: time.Now()}
		l.known, _ = w.proven.GetIfPresent(id)
		l.took = l.known
		w.byID[id] = l
	}
	return l
}

func (w *Webhooks) take(id string, l *load) {
	if !w.fast(id, l) {
		l.slow++
		w.slow++
	}
	if l.inFlight == 0 {
		l.progress = time.Now()
	}
	l.inFlight++
	w.total++
}

// welcome reports whether there is a place for a webhook, apart from its own
// limit. l is nil for one that has nothing in flight. The lock is held.
func (w *Webhooks) welcome(id string, l *load) bool {
	return w.slow < w.limits.Total-w.limits.Total/reserved || w.fast(id, l)
}

// fast reports whether a webhook is known to answer fast, and does now.
func (w *Webhooks) fast(id string, l *load) bool {
	if l != nil && l.inFlight > 0 {
		if time.Since(l.progress) > fast {
			return false
		}
		if l.took > 0 {
			return l.took <= fast
		}
	}
	_, known := w.proven.GetIfPresent(id)
	return known
}

// prove remembers how fast a webhook answers, if that is fast. It does not write
// down every small difference.
func (w *Webhooks) prove(id string, l *load) {
	switch {
	case l.took > fast && l.known > 0:
		l.known = 0
		w.proven.Invalidate(id)
	case l.took <= fast && (l.took > 2*l.known || l.took < l.known/2):
		l.known = l.took
		w.proven.Set(id, l.took)
	}
}

// forget drops a webhook that has nothing in flight, so that memory follows
// what is in flight and not what ever was.
func (w *Webhooks) forget(id string, l *load) {
	if l.inFlight == 0 && l.suspects == 0 && len(l.waiting) == 0 {
		delete(w.byID, id)
	}
}

// limit returns how many attempts one webhook may have in flight now.
func (w *Webhooks) limit() int {
	const share = 8
	return min(w.limits.PerWebhook, max(1, (w.limits.Total-w.total)/share))
}

// patience returns how long a delivery may wait for its turn. Whoever waits
// holds what others need, so an endpoint that has not shown yet how fast it is
// gets half of it.
func (w *Webhooks) patience(l *load) time.Duration {
	if l.took == 0 {
		return w.limits.Patience / 2
	}
	return w.limits.Patience
}

// answersWithin reports whether a webhook answers at all, and whether somebody
// who has that many before them may expect a turn within bound. Of one that
// keeps up only the first is asked: putting a delivery aside would take as long.
func (w *Webhooks) answersWithin(bound time.Duration, l *load, before int) bool {
	if time.Since(l.progress) >= bound {
		return false
	}
	return w.keepsUp(l) || l.took*time.Duration(before+1)/time.Duration(w.limit()) <= bound
}

// smooth folds a new measurement into a moving average of about eight.
func smooth(average, took time.Duration) time.Duration {
	if average == 0 {
		return took
	}
	return average + (took-average)/8
}
