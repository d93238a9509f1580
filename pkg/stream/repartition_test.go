package stream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// dispatching is a replica that acknowledges what it takes, or dies with what it has.
type dispatching struct {
	conn  *stream.Conn
	looks time.Duration // how often it looks which consumers there are; 0 for often
	took  func(m *stream.Message, id, organization string)

	mu    sync.Mutex
	dying bool
}

// run pulls from all consumers until ctx ends.
func (d *dispatching) run(ctx context.Context, t *testing.T) {
	t.Helper()
	stops := make(map[string]context.CancelFunc)
	var all sync.WaitGroup
	defer all.Wait()
	for ctx.Err() == nil {
		sources, err := d.conn.Sources(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		there := make(map[string]bool)
		for _, s := range sources {
			there[s.Name] = true
			if stops[s.Name] == nil {
				one, stop := context.WithCancel(ctx)
				stops[s.Name] = stop
				all.Go(func() { d.pull(one, s) })
			}
		}
		for name, stop := range stops {
			if !there[name] {
				stop()
				delete(stops, name)
			}
		}
		if !rest(ctx, max(d.looks, 20*time.Millisecond)) {
			return
		}
	}
}

func (d *dispatching) pull(ctx context.Context, s stream.Source) {
	for ctx.Err() == nil {
		events, err := d.conn.Open(ctx, s)
		if err != nil {
			rest(ctx, 20*time.Millisecond)
			continue
		}
		for ctx.Err() == nil && err == nil {
			_, err = events.Pull(ctx, 16, 50*time.Millisecond, func(m *stream.Message) {
				d.mu.Lock()
				defer d.mu.Unlock()
				if d.dying { // it holds it and has not told anybody
					return
				}
				e, err := m.Event()
				if err != nil {
					return
				}
				d.took(m, e.ID, e.OrganizationID)
				_ = m.Ack()
			})
		}
	}
}

// die has the replica take events that it never acknowledges.
func (d *dispatching) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dying = true
}

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// arrivals are the events that replicas have taken, in order.
type arrivals struct {
	mu        sync.Mutex
	all       map[string][]string // ids by organization
	sequences map[string][]uint64
}

func newArrivals() *arrivals {
	return &arrivals{all: make(map[string][]string), sequences: make(map[string][]uint64)}
}

func (a *arrivals) took(m *stream.Message, id, organization string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[organization] = append(a.all[organization], id)
	a.sequences[organization] = append(a.sequences[organization], m.Sequence)
}

func (a *arrivals) count() (n, distinct int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := make(map[string]bool)
	for organization, ids := range a.all {
		n += len(ids)
		for _, id := range ids {
			seen[organization+" "+id] = true
		}
	}
	return n, len(seen)
}

// publishing publishes events of many organizations until ctx ends, and returns how
// many.
func publishing(ctx context.Context, t *testing.T, c *stream.Conn, publishers int) int {
	t.Helper()
	counts := make([]int, publishers)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(p), 17))
			for ctx.Err() == nil {
				e := event.Sample(event.CallCompleted, fmt.Sprintf("org_%d", random.IntN(200)), fmt.Sprintf("evt_%d_%d", p, counts[p]), time.Now())
				if err := c.Publish(t.Context(), e); err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				counts[p]++
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// The number of partitions changes while publishers publish and two replicas consume:
// every event is taken, none twice, and those of an organization in their order.
func TestPartitionsChangeWhileEventsFlow(t *testing.T) {
	t.Parallel()
	url := natstest.StartApart(t)
	c := connectTo(t, url)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	got := newArrivals()
	consuming, stop := context.WithCancel(t.Context())
	var replicas, publishers sync.WaitGroup
	for _, looks := range []time.Duration{0, 400 * time.Millisecond} { // so they often disagree
		d := &dispatching{conn: connectTo(t, url), took: got.took, looks: looks}
		replicas.Go(func() { d.run(consuming, t) })
		keeper := connectTo(t, url)
		replicas.Go(func() {
			keeper.KeepStreams(consuming, 100*time.Millisecond, topology, func(gone string, err error) {
				t.Errorf("%s was made again: %v", gone, err)
			})
		})
	}
	publish, silent := context.WithCancel(t.Context())
	published := make(chan int, 1)
	publishers.Go(func() { published <- publishing(publish, t, c, 8) })
	for _, n := range []int{16, 3, 1, 64, 8} {
		before, _ := got.count()
		await(t, func() bool { n, _ := got.count(); return n > before+200 })
		if err := c.Repartition(t.Context(), n, func(step string) { t.Log(n, step) }); err != nil {
			t.Fatalf("%d partitions: %v", n, err)
		}
		d, err := c.Division(t.Context())
		if err != nil || d != (stream.Division{Partitions: n, Stored: n}) {
			t.Fatalf("%+v, %v: want %d partitions", d, err, n)
		}
	}
	silent()
	publishers.Wait()
	want := <-published
	await(t, func() bool { _, distinct := got.count(); return distinct == want })
	await(t, func() bool {
		sources, err := c.Sources(t.Context())
		return err == nil && len(sources) == 9 // those of the earlier divisions are gone
	})
	if n, distinct := got.count(); n != distinct {
		t.Errorf("%d events came %d times", distinct, n)
	}
	stop()
	replicas.Wait()
	for organization, sequences := range got.sequences {
		// Two replicas take from one consumer at the same time, 16 events each.
		if at := firstBehind(sequences, 64); at >= 0 {
			t.Errorf("%s: event %d came after %v", organization, sequences[at], sequences[max(0, at-70):at])
		}
	}
	t.Logf("%d events", want)
}

// firstBehind returns which sequence is lower than the one that came so many places
// before it, -1 for none.
func firstBehind(sequences []uint64, places int) int {
	for i := places; i < len(sequences); i++ {
		if sequences[i] < slices.Max(sequences[:i-places+1]) {
			return i
		}
	}
	return -1
}

// A replica that dies while the number changes has taken events that it did not
// acknowledge: the others get them, and no others twice.
func TestAReplicaDiesWhilePartitionsChange(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	const n = 500
	for i := range n {
		e := event.Sample(event.CallCompleted, fmt.Sprintf("org_%d", i%50), fmt.Sprintf("evt_%d", i), time.Now())
		if err := c.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got := newArrivals()
	dead := &dispatching{conn: connect(t, srv), took: got.took}
	dead.die()
	dying, gone := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { dead.run(dying, t) })
	await(t, func() bool { o, err := c.Overview(t.Context()); return err == nil && o.EventsHeld > 100 })
	gone()
	ended.Wait()
	if o, err := c.Overview(t.Context()); err != nil || o.EventsHeld == 0 {
		t.Fatalf("%+v, %v: want events that are held", o, err)
	}
	alive := &dispatching{conn: connect(t, srv), took: got.took}
	ctx, stop := context.WithCancel(t.Context())
	ended.Go(func() { alive.run(ctx, t) })
	ended.Go(func() {
		c.KeepStreams(ctx, 100*time.Millisecond, topology, func(gone string, err error) { t.Errorf("%s was made again: %v", gone, err) })
	})
	if err := connect(t, srv).Repartition(t.Context(), 5, func(string) {}); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { _, distinct := got.count(); return distinct == n })
	if came, _ := got.count(); came != n {
		t.Errorf("%d events came %d times", n, came)
	}
	await(t, func() bool { sources, err := c.Sources(t.Context()); return err == nil && len(sources) == 6 })
	stop()
	ended.Wait()
}

// Events that an earlier version stored, and those that it is still to be told how to
// divide, are handed out by its consumer, until the number of partitions is set.
func TestEventsOfAnEarlierVersionAreHandedOut(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	srv.Earlier(t, proto.StreamEvents, proto.PrefixEvents+".>")
	c := connect(t, srv)
	subject := proto.SubjectEvent("acme", "call.completed")
	srv.Publish(t, subject, "", sample(t, "evt_before").Body())
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	srv.Publish(t, subject, "", sample(t, "evt_after").Body())
	got := newArrivals()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d := &dispatching{conn: connect(t, srv), took: got.took}
	var ended sync.WaitGroup
	defer ended.Wait()
	ended.Go(func() { d.run(ctx, t) })
	await(t, func() bool { n, _ := got.count(); return n == 2 })
	if now, err := c.Division(t.Context()); err != nil || now != (stream.Division{}) {
		t.Fatalf("%+v, %v: want no partitions yet", now, err)
	}
	if err := c.Repartition(t.Context(), 8, func(string) {}); err != nil {
		t.Fatal(err)
	}
	srv.Publish(t, subject, "", sample(t, "evt_divided").Body())
	srv.Publish(t, "dialnote.events.acme", "", sample(t, "evt_without_type").Body())
	await(t, func() bool { n, _ := got.count(); return n == 4 })
	var subjects []string
	for _, m := range srv.Stored(t, proto.StreamEvents) {
		subjects = append(subjects, m.Subject)
	}
	divided := fmt.Sprintf("dialnote-8.%d.acme.call.completed", proto.Partition("acme", 8))
	if want := []string{subject, subject, divided, "dialnote.events.acme"}; !slices.Equal(subjects, want) {
		t.Errorf("stored under %s, want %s", subjects, want)
	}
	// All of them are the organization's: for the log, a recovery, an ordered webhook.
	history, err := c.History(t.Context(), stream.EventRange{OrganizationID: "acme", Type: event.CallCompleted, Since: time.Unix(0, 0)}, 10)
	if err != nil || len(history) != 3 {
		t.Errorf("%d events, %v; want 3", len(history), err)
	}
	for _, m := range history {
		if m.Subject != subject {
			t.Errorf("published to %s", m.Subject)
		}
	}
	stop()
}

// An operator who removes the transform by hand gets it back, and the events that came
// meanwhile are delivered.
func TestATransformThatIsRemovedComesBack(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	srv.Edit(t, proto.StreamEvents, func(cfg *natstest.StreamConfig) { cfg.SubjectTransform = nil })
	if err := c.Publish(t.Context(), sample(t, "evt_meanwhile")); err != nil {
		t.Fatal(err)
	}
	made := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		c.KeepStreams(ctx, 10*time.Millisecond, topology, func(gone string, err error) {
			if err != nil {
				t.Error(err)
			}
			made <- gone
		})
	})
	if gone := <-made; !strings.Contains(gone, "transform") {
		t.Errorf("made again: %s", gone)
	}
	got := newArrivals()
	d := &dispatching{conn: connect(t, srv), took: got.took}
	ended.Go(func() { d.run(ctx, t) })
	if err := c.Publish(t.Context(), sample(t, "evt_after")); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { n, _ := got.count(); return n == 2 })
	stop()
	ended.Wait()
	if stored := srv.Stored(t, proto.StreamEvents); len(stored) != 2 || stored[1].Subject == stored[0].Subject {
		t.Errorf("the second event is stored as before: %v", stored)
	}
}

func TestWrongNumbersOfPartitions(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	for _, n := range []int{-1, 0, 65} {
		if err := c.Repartition(t.Context(), n, func(string) { t.Error("a step") }); err == nil {
			t.Errorf("%d partitions were made", n)
		}
	}
}
