package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func limits(total, perWebhook int) Limits {
	return Limits{Total: total, PerWebhook: perWebhook, MaxWait: 50 * time.Millisecond}
}

// alone is a webhook that its organization has no other of.
func alone(id string) Of { return Of{OrganizationID: "of " + id, WebhookID: id} }

// newWebhooks returns counts whose jobs have a goroutine each.
func newWebhooks(l Limits) *Webhooks { return NewWebhooks(l, func(job Job) { go do(job) }) }

func do(job Job) {
	for job != nil {
		job = job()
	}
}

func enter(w *Webhooks, id string) bool { return enterUntil(context.Background(), w, id) }

// enterUntil waits until a delivery has a place, or has none.
func enterUntil(ctx context.Context, w *Webhooks, id string) bool {
	answered := make(chan bool, 1)
	do(w.Enter(ctx, alone(id), func(entered bool) Job {
		answered <- entered
		return nil
	}))
	return <-answered
}

// enterMany takes up to n places and returns how many were free.
func enterMany(w *Webhooks, id string, n int) int {
	took := 0
	for took < n && w.TryEnter(alone(id)) {
		took++
	}
	return took
}

func TestAWebhookHasItsLimit(t *testing.T) {
	t.Parallel()
	w := newWebhooks(limits(512, 32))
	if n := enterMany(w, "a", 100); n != 32 {
		t.Errorf("took %d places, want 32", n)
	}
	if n := enterMany(w, "a", 1); n != 0 {
		t.Errorf("took %d more", n)
	}
	if n := enterMany(w, "b", 4); n != 4 {
		t.Errorf("another webhook took %d places, want 4", n)
	}
}

// However many webhooks hang, none has more than an eighth of what was left, and
// all together leave a quarter to those that have shown that they are fast.
func TestManySlowWebhooksLeaveRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const total = 512
		w := newWebhooks(limits(total, 64))
		for range 3 {
			enter(w, "fast")
			w.Leave("fast", 20*time.Millisecond)
			enter(w, "slow")
			w.Leave("slow", 2*time.Second)
		}
		for i := range 1000 {
			before := w.InFlight()
			n := enterMany(w, fmt.Sprint(i), 64)
			if n > max(1, (total-before)/8) || n == 0 && before < total*3/4 {
				t.Fatalf("webhook %d took %d places of %d that were left", i, n, total-before)
			}
		}
		if n := w.InFlight(); n != total*3/4 {
			t.Errorf("those that hang have %d places, want %d", n, total*3/4)
		}
		began := time.Now()
		if enter(w, "new") || enter(w, "slow") || time.Since(began) != 0 {
			t.Error("one that is not known to be fast has a place")
		}
		if w.Window(alone("slow"), 32, 0) != 0 || w.Window(alone("fast"), 32, 0) == 0 {
			t.Error("the lane of a slow webhook is read, or that of a fast one is not")
		}
		if n := enterMany(w, "fast", 64); n != 14 {
			t.Errorf("the fast one took %d places, want as many as an eighth of what is then left", n)
		}
		<-time.After(time.Second) // now it hangs, too
		if enter(w, "fast") {
			t.Error("one that hangs now is still taken for fast")
		}
		w.Leave("0", 3*time.Second)
		if !w.TryEnter(alone("new")) {
			t.Error("a place that was given back is not free")
		}
	})
}

func TestADeliveryWaitsItsTurnInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(8, 1))
		if !enter(w, "a") {
			t.Fatal("the first place is not free")
		}
		var order []int
		var mu sync.Mutex
		for i := range 3 {
			go func() {
				if enter(w, "a") {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				}
			}()
			synctest.Wait()
		}
		if w.TryEnter(alone("a")) {
			t.Error("a lane overtook deliveries that wait")
		}
		for range 4 {
			w.Leave("a", time.Millisecond)
			synctest.Wait()
		}
		if fmt.Sprint(order) != "[0 1 2]" {
			t.Errorf("served in order %v", order)
		}
		empty(t, w)
	})
}

func TestADeliveryGivesUpAfterItsMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(32, 2))
		enter(w, "a")
		enter(w, "a")
		givesUp := func(after time.Duration) {
			t.Helper()
			began := time.Now()
			if enter(w, "a") {
				t.Error("a third place was given")
			}
			if waited := time.Since(began); waited != after {
				t.Errorf("gave up after %s, want %s", waited, after)
			}
		}
		givesUp(25 * time.Millisecond) // of an endpoint that has not shown yet how fast it is
		w.Leave("a", 25*time.Millisecond)
		enter(w, "a")
		givesUp(50 * time.Millisecond)
		<-time.After(time.Nanosecond)
		givesUp(0) // no attempt has ended for longer than anybody may wait
		w.Leave("a", time.Second)
		w.Leave("a", time.Second)
		empty(t, w)
	})
}

// What a busy machine delays is not the webhook's fault.
func TestADeliveryWaitsOnWhileItsWebhookAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(32, 1))
		enter(w, "a")
		w.Leave("a", 20*time.Millisecond)
		enter(w, "a")
		began := time.Now()
		entered := make(chan bool)
		ahead := w.Join(t.Context(), alone("a"))
		go func() { entered <- enter(w, "a") }()
		synctest.Wait()
		<-time.After(40 * time.Millisecond) // twice what it should take
		w.Leave("a", 20*time.Millisecond)
		if !ahead.Wait() {
			t.Fatal("the first in line had no turn")
		}
		<-time.After(40 * time.Millisecond)
		w.Leave("a", 20*time.Millisecond)
		if !<-entered || time.Since(began) != 80*time.Millisecond {
			t.Errorf("had no turn, after %s", time.Since(began))
		}

		for range 3 { // one attempt after the other ends, but always that of a delivery before
			go w.Join(t.Context(), alone("a")).Wait()
		}
		w.Leave("a", 20*time.Millisecond)
		synctest.Wait()
		if enter(w, "a") {
			t.Error("waited for more than could have their turn")
		}
		for range 3 {
			w.Leave("a", 20*time.Millisecond)
		}
		synctest.Wait()
		empty(t, w)
	})
}

// A line moves on as its attempts end, in order, and then is forgotten.
func TestALineMovesOnAsAttemptsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(8, 1))
		enter(w, "a")
		w.Leave("a", time.Microsecond)
		enter(w, "a")
		var (
			all   sync.WaitGroup
			order []int // one at a time is in flight
		)
		for i := range 100 {
			all.Go(func() {
				if !enter(w, "a") {
					t.Errorf("delivery %d was sent away", i)
					return
				}
				order = append(order, i)
				w.Leave("a", time.Microsecond)
			})
			synctest.Wait()
		}
		if len(order) > 0 {
			t.Errorf("%d had their turn although there was no place", len(order))
		}
		w.Leave("a", time.Microsecond)
		all.Wait()
		if len(order) != 100 || !slices.IsSorted(order) {
			t.Errorf("turns came in order %v", order)
		}
		empty(t, w)
	})
}

// The end of a line leaves nothing behind that could touch the next one.
func TestALineThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(8, 1))
		enter(w, "a")
		go func() {
			enter(w, "a")
			w.Leave("a", time.Millisecond)
		}()
		synctest.Wait()
		w.Leave("a", time.Millisecond)
		synctest.Wait()
		empty(t, w)
		enter(w, "a")
		<-time.After(time.Second)
		if w.InFlight() != 1 || len(w.byID) != 1 {
			t.Errorf("%d in flight of %d webhooks, want 1 of 1", w.InFlight(), len(w.byID))
		}
		w.Leave("a", time.Second)
		empty(t, w)
	})
}

func TestAWebhookIsFastEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(512, 32))
		answered := func(id string, took time.Duration) {
			enter(w, id)
			w.Leave(id, took)
		}
		answered("fast", 10*time.Millisecond)
		answered("slower", 20*time.Millisecond)
		for id, want := range map[string]bool{"fast": true, "slower": false, "new": false} {
			if got := w.FastEnough(id); got != want {
				t.Errorf("%s, idle: %t, want %t", id, got, want)
			}
			enter(w, id)
			if got := w.FastEnough(id); got != want {
				t.Errorf("%s, at work: %t, want %t", id, got, want)
			}
		}
		<-time.After(20 * time.Millisecond)
		if w.FastEnough("fast") {
			t.Error("a webhook that no longer answers keeps up")
		}
	})
}

func TestNoDeliveryWaitsForASlowWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(512, 2))
		enter(w, "a")
		enter(w, "a")
		w.Leave("a", 2*time.Second) // attempts take long, and one has just ended
		enter(w, "a")
		began := time.Now()
		if enter(w, "a") || time.Since(began) != 0 {
			t.Errorf("waited %s for a webhook whose attempts take 2 s", time.Since(began))
		}
	})
}

// The wait ends at the instant at which the turn comes: the place is either
// taken or still there, never lost.
func TestGivingUpAsTheTurnComes(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			w := newWebhooks(limits(8, 1))
			enter(w, "a")
			entered := make(chan bool, 1)
			go func() { entered <- enter(w, "a") }()
			synctest.Wait()
			time.AfterFunc(25*time.Millisecond, func() { w.Leave("a", time.Millisecond) })
			if <-entered {
				synctest.Wait()
				w.Leave("a", time.Millisecond)
			}
			<-time.After(time.Millisecond) // the first Leave has run
			empty(t, w)
		})
	}
}

func TestWebhooksUnderStress(t *testing.T) {
	t.Parallel()
	const perWebhook = 3
	w := newWebhooks(Limits{Total: 64, PerWebhook: perWebhook, MaxWait: 200 * time.Microsecond})
	var inFlight [5]atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 500 {
				i := rand.N(len(inFlight))
				id := fmt.Sprint(i)
				places := 0
				if rand.N(2) == 0 {
					places = enterMany(w, id, 1+rand.N(4))
				} else if enter(w, id) {
					places = 1
				}
				if now := inFlight[i].Add(int64(places)); now > perWebhook {
					t.Errorf("%d attempts at once, of %d", now, perWebhook)
				}
				for range places {
					inFlight[i].Add(-1)
					w.Leave(id, time.Duration(rand.N(1000)))
				}
			}
		})
	}
	all.Wait()
	empty(t, w)
}

// empty checks that memory follows what is in flight.
func empty(t *testing.T, w *Webhooks) {
	t.Helper()
	if w.InFlight() != 0 || len(w.byID) != 0 {
		t.Errorf("%d in flight, %d webhooks kept; want none", w.InFlight(), len(w.byID))
	}
}

func TestALaneIsHeldAheadOfAFastEndpoint(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{0: 31, time.Millisecond: 64, 20 * time.Millisecond: 48, time.Second: 31} {
		w := newWebhooks(limits(512, 32))
		enter(w, "a")
		enter(w, "a")
		w.Leave("a", took)
		if n := w.Window(alone("a"), 100, 0); n != want {
			t.Errorf("attempts take %s: %d deliveries are held, want %d", took, n, want)
		}
		if n := w.Window(alone("a"), 1, 0); n != 1 {
			t.Errorf("attempts take %s: %d deliveries are held of a webhook with one at a time", took, n)
		}
	}
}

// What others have in flight to a slow webhook, or to one that is not known yet,
// leaves its lane fewer places; a fast one has them back in a moment.
func TestALaneHoldsOnlyWhatHasAPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		took         time.Duration // 0 when nothing is known of it
		direct, held int           // in flight
		window       int
	}{
		"none before":              {0, 0, 0, 32},
		"some, and unknown":        {0, 20, 0, 12},
		"all, and unknown":         {0, 32, 0, 0},
		"its own":                  {0, 0, 32, 32},
		"both":                     {0, 12, 20, 20},
		"all, and slow":            {time.Second, 32, 0, 0},
		"some, and slow":           {time.Second, 8, 8, 24},
		"all, and fast":            {time.Millisecond, 32, 0, 64},
		"all of its own, and fast": {time.Millisecond, 0, 32, 64},
	} {
		w := newWebhooks(limits(512, 32))
		if c.took > 0 {
			enter(w, "a")
			w.Leave("a", c.took)
		}
		for range c.direct + c.held {
			enter(w, "a")
		}
		if n := w.Window(alone("a"), 100, c.held); n != c.window {
			t.Errorf("%s: %d deliveries are held, want %d", name, n, c.window)
		}
	}
}

// Who waits for the turn of a webhook that hangs gives up, in order, and leaves
// the line as it was; while it answers they wait on, however long that takes.
func TestNoDeliveryWaitsForAWebhookThatBeginsToHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(64, 2))
		enter(w, "a")
		w.Leave("a", time.Millisecond)
		enter(w, "a")
		enter(w, "a")
		began := time.Now()
		waited := make(chan bool)
		for range 3 {
			turn := w.Join(t.Context(), alone("a"))
			go func() { waited <- turn.Wait() }()
		}
		<-time.After(200 * time.Millisecond)
		w.Leave("a", time.Millisecond)
		if !<-waited || time.Since(began) != 200*time.Millisecond {
			t.Errorf("a turn came after %s", time.Since(began))
		}
		for range 2 {
			if <-waited {
				t.Error("a turn of a webhook that hangs has come")
			}
			if took := time.Since(began); took < 450*time.Millisecond || took > 500*time.Millisecond {
				t.Errorf("gave up after %s", took)
			}
		}
		for range 2 {
			w.Leave("a", time.Second)
		}
		empty(t, w)
	})
}

func TestTurnsComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(64, 2))
		cancelled, cancel := context.WithCancel(t.Context())
		var order []int
		var mu sync.Mutex
		for i := range 6 {
			ctx := t.Context()
			if i == 3 {
				ctx = cancelled
			}
			turn := w.Join(ctx, alone("a"))
			go func() {
				if turn.Wait() {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				}
			}()
		}
		synctest.Wait()
		cancel()
		for range 5 {
			synctest.Wait()
			w.Leave("a", time.Millisecond)
		}
		synctest.Wait()
		if slices.Sort(order[:2]); fmt.Sprint(order) != "[0 1 2 4 5]" {
			t.Errorf("turns came in order %v", order)
		}
		empty(t, w)
	})
}

// A delivery does not wait on for ever, although its webhook answers.
func TestADeliveryWaitsOnOnlySoOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(512, 32))
		const attempts = 20
		enterMany(w, "a", attempts)
		w.Leave("a", 40*time.Millisecond)
		w.BeginFailure(alone("a"))
		gaveUp := make(chan time.Duration)
		began := time.Now()
		go func() {
			if enter(w, "a") {
				t.Error("a turn came while a failure was recorded")
			}
			gaveUp <- time.Since(began)
		}()
		for range attempts - 1 {
			<-time.After(40 * time.Millisecond)
			w.Leave("a", 40*time.Millisecond)
		}
		if waited := <-gaveUp; waited != 10*50*time.Millisecond {
			t.Errorf("gave up after %s, want ten times the longest wait", waited)
		}
		w.EndFailure("a")
		empty(t, w)
	})
}

// Turns come again as soon as a failure is recorded, however long that took: the
// webhook is given the time of a first attempt.
func TestTurnsComeAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWebhooks(limits(8, 1))
		enter(w, "a")
		w.BeginFailure(alone("a"))
		w.Leave("a", time.Millisecond)
		first := w.Join(t.Context(), alone("a"))
		<-time.After(time.Minute)
		began := time.Now()
		w.EndFailure("a")
		if !first.Wait() || time.Since(began) != 0 {
			t.Errorf("no turn came, in %s", time.Since(began))
		}
		second := make(chan bool)
		go func() { second <- enter(w, "a") }()
		synctest.Wait()
		w.Leave("a", time.Millisecond)
		if !<-second {
			t.Error("a delivery was sent away although an attempt had just begun")
		}
		w.Leave("a", time.Millisecond)
		empty(t, w)
	})
}

// A context ends at the instant at which the turn comes: the place is either taken
// or still there, never lost.
func TestTheContextEndsAsTheTurnComes(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			w := newWebhooks(limits(8, 1))
			enter(w, "a")
			ctx, cancel := context.WithCancel(t.Context())
			entered := make(chan bool)
			go func() { entered <- enterUntil(ctx, w, "a") }()
			synctest.Wait()
			cancel()
			w.Leave("a", time.Millisecond)
			if <-entered {
				w.Leave("a", time.Millisecond)
			}
			empty(t, w)
		})
	}
}
