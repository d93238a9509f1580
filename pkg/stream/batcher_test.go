package stream

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/proto"
)

// busy returns a connection whose batcher keeps messages waiting until let is
// called: those that were published by then are one batch.
func busy(t *testing.T, srv *natstest.Server) (c *Conn, let func(waiting int)) {
	t.Helper()
	c, err := Connect(Settings{URL: srv.ClientURL(), Name: t.Name(), SyncsAlways: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Ensure(t.Context(), Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	c.events.flushing = true
	return c, func(waiting int) {
		awaitWaiting(t, c, waiting)
		c.events.flush()
		c.events.mu.Lock()
		defer c.events.mu.Unlock()
		c.events.flushing = true
	}
}

func awaitWaiting(t *testing.T, c *Conn, want int) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		n := c.Link().Publishing
		if n == want {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("%d wait, want %d", n, want)
		}
	}
}

// publishing publishes events with these ids at the same time; wait returns each
// one's error.
func publishing(t *testing.T, c *Conn, ids ...string) (wait func() map[string]error) {
	t.Helper()
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		errs = map[string]error{}
	)
	for _, id := range ids {
		e := event.Sample(event.CallCompleted, "acme", strings.TrimRight(id, "'"), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
		all.Go(func() {
			err := c.Publish(t.Context(), e)
			mu.Lock()
			defer mu.Unlock()
			errs[id] = err
		})
	}
	return func() map[string]error {
		all.Wait()
		return errs
	}
}

// stored returns the ids of the messages that the event stream has, and how many
// batches they came in.
func stored(t *testing.T, srv *natstest.Server) (ids []string, batches int) {
	t.Helper()
	distinct := map[string]bool{}
	for _, m := range srv.Stored(t, proto.StreamEvents) {
		ids = append(ids, m.Header.Get(jetstream.MsgIDHeader))
		if id := m.Header.Get(jetstreamext.BatchIDHeader); id != "" {
			distinct[id] = true
		}
	}
	slices.Sort(ids)
	return ids, len(distinct)
}

func accepted(t *testing.T, errs map[string]error, want int) {
	t.Helper()
	if len(errs) != want {
		t.Errorf("%d answers, want %d", len(errs), want)
	}
	for id, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func messageIDs(ids ...string) (all []string) {
	for _, id := range ids {
		all = append(all, proto.EventMessageID("acme", id))
	}
	slices.Sort(all)
	return all
}

func TestWhatComesAtTheSameTimeIsStoredTogether(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, let := busy(t, srv)
	ids := []string{"evt_1", "evt_2", "evt_3", "evt_4", "evt_5"}
	wait := publishing(t, c, ids...)
	let(5)
	accepted(t, wait(), 5)
	if got, batches := stored(t, srv); !slices.Equal(got, messageIDs(ids...)) || batches != 1 {
		t.Errorf("stored %q in %d batches, want all in one", got, batches)
	}
}

// An event that was published before, or twice at once, does not keep the other
// events of its batch from being stored.
func TestARepeatedEventIsStoredAmongOthers(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, let := busy(t, srv)
	first := publishing(t, c, "evt_1")
	let(1)
	accepted(t, first(), 1)
	wait := publishing(t, c, "evt_1", "evt_2", "evt_2'", "evt_3")
	let(4)
	accepted(t, wait(), 4)
	if got, _ := stored(t, srv); !slices.Equal(got, messageIDs("evt_1", "evt_1", "evt_2", "evt_2", "evt_3")) {
		t.Errorf("stored %q", got)
	}
}

// A stream that an earlier version made allows no batches: events are stored one
// by one, and no more batches are tried for a while.
func TestAStreamWithoutBatchesIsServedOneByOne(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, let := busy(t, srv)
	cfg := Topology{Retention: time.Hour, Replicas: 1}.streams()[0] // of events
	cfg.AllowAtomicPublish = false
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for round := range 3 {
		some := []string{fmt.Sprintf("evt_%d_a", round), fmt.Sprintf("evt_%d_b", round)}
		ids = append(ids, some...)
		wait := publishing(t, c, some...)
		let(2)
		accepted(t, wait(), 2)
	}
	if got, batches := stored(t, srv); !slices.Equal(got, messageIDs(ids...)) || batches != 0 {
		t.Errorf("stored %q in %d batches", got, batches)
	}
	if !time.Now().Before(c.events.apart) {
		t.Error("batches are tried again at once")
	}
}

// A message that the server does not take is refused to its publisher only.
func TestAMessageThatIsTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, let := busy(t, srv)
	wait := publishing(t, c, "evt_1", "evt_2")
	awaitWaiting(t, c, 2)
	tooLarge := make(chan error, 1)
	go func() {
		tooLarge <- c.events.store(t.Context(), &nats.Msg{
			Subject: proto.SubjectEvent("acme", "note.created"), Header: nats.Header{}, Data: make([]byte, c.nc.MaxPayload()+1),
		})
	}()
	let(3)
	accepted(t, wait(), 2)
	if err := <-tooLarge; err == nil || fault.Is(err, fault.Unavailable) {
		t.Errorf("error is %v, want one that says what is wrong", err)
	}
	if got, _ := stored(t, srv); !slices.Equal(got, messageIDs("evt_1", "evt_2")) {
		t.Errorf("stored %q", got)
	}
}

// A caller that leaves takes its message along, so that no more messages wait
// than there are callers while the server is silent.
func TestACallerThatLeavesTakesItsMessage(t *testing.T) {
	t.Parallel()
	c, _ := busy(t, natstest.Start(t))
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		left <- c.Publish(ctx, event.Sample(event.CallCompleted, "acme", "evt_1", time.Unix(0, 0)))
	}()
	awaitWaiting(t, c, 1)
	leave()
	if err := <-left; err == nil {
		t.Error("it was accepted")
	}
	awaitWaiting(t, c, 0)
}

// While the server is silent, each batch takes publishTimeout. No caller waits for
// more than one batch before its own: the line must not grow without end.
func TestACallerWaitsForOneSilentBatchAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &batcher{flushing: true} // with nothing to flush with
		ended := make(chan error, 2)
		publish := func() { ended <- i.store(t.Context(), &nats.Msg{}) }
		go publish()
		synctest.Wait()
		time.Sleep(publishTimeout) //nolint:forbidigo // the bubble's own clock
		go publish()
		synctest.Wait()
		if some, _ := i.take(); len(some) != 1 {
			t.Fatalf("%d leave, want the one that has just come", len(some))
		}
		if err := <-ended; !fault.Is(err, fault.Unavailable) {
			t.Errorf("a publisher that waited got %v, want a fault of kind Unavailable", err)
		}
	})
}

// With the broker gone every caller gets the error.
func TestABatchWithoutABrokerFailsAsAwayForAll(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, let := busy(t, srv)
	wait := publishing(t, c, "evt_1", "evt_2", "evt_3")
	awaitWaiting(t, c, 3)
	srv.Stop()
	let(3)
	for id, err := range wait() {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v, want a fault of kind Unavailable", id, err)
		}
	}
}

// A batch is bounded, in messages and in bytes, and keeps its order.
func TestWhatLeavesTogetherIsBounded(t *testing.T) {
	t.Parallel()
	i := &batcher{}
	add := func(n, size int) {
		for range n {
			i.waiting = append(i.waiting, &pending{msg: &nats.Msg{Data: make([]byte, size)}, came: time.Now()})
		}
	}
	for _, c := range []struct{ n, size, want int }{
		{3, 10, 3},
		{batchMessages + 5, 10, batchMessages},
		{3, batchBytes, 1},
		{3, batchBytes / 2, 2},
		{2, 2 * batchBytes, 1},
	} {
		i.waiting = nil
		add(c.n, c.size)
		all := slices.Clone(i.waiting)
		got, together := i.take()
		if !slices.Equal(got, all[:c.want]) || !slices.Equal(i.waiting, all[c.want:]) || !together {
			t.Errorf("%d of %d bytes: %d leave, %d wait, together: %v; want %d to leave", c.n, c.size, len(got), len(i.waiting), together, c.want)
		}
	}
}
