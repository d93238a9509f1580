package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// heldEvents is how many events wait in the test below, some minutes of work.
// E2E_HELD overrides it.
const heldEvents = 1_000_000

// Very many events wait for one webhook that was disabled automatically: the
// dispatcher's memory does not know it, another webhook does not notice, and
// enabling it delivers all of them.
func TestVeryManyHeldEventsDisturbNoOtherWebhook(t *testing.T) {
	many := int(number(t, "E2E_HELD", heldEvents)) // far below 2^63
	s := newSystem(t, ownPostgres(t).DSN())
	s.with(map[string]string{"AUTO_DISABLE_AFTER": "3", "MAX_IN_FLIGHT": "512", "ORGANIZATION_WAITING_MAX_BYTES": "0"})
	s.run(t, 1)
	c, conn := s.client(t), s.connect(t)
	dead := c.create(t, s.receiverURL, "/dead", event.CallCompleted)
	well := c.create(t, s.receiverURL, "/well", event.NoteCreated)
	s.receiver.Set(dead.path, receiver.Statuses(http.StatusInternalServerError))
	publishSample(t, conn, event.CallCompleted, "evt_first")
	await(t, "auto-disabling", func() error {
		if h := c.hook(t, dead.ID); h.Status != "auto_disabled" {
			return fmt.Errorf("it is %s after %d failures", h.Status, h.FailureCount)
		}
		return nil
	})
	alone := s.latency(t, conn, well, "alone", 1000)

	began := time.Now()
	beginning := max(many/10, 20_000) // several times as many as may be unrecorded at once
	s.hold(t, conn, 0, beginning)
	heldUp(t, c, dead, int64(beginning)+1)
	first := memory(t, s.dispatchers[0])
	s.hold(t, conn, beginning, many)
	heldUp(t, c, dead, int64(many)+1)
	held := memory(t, s.dispatchers[0])
	t.Logf("%d events were held in %s", many, time.Since(began).Round(time.Second))
	if n := s.receiver.Counts(dead.path).Requests; n != 3 {
		t.Errorf("%d requests were made to the dead endpoint, want 3", n)
	}
	beside := s.latency(t, conn, well, "beside", 1000)

	s.receiver.Set(dead.path, receiver.OK())
	began = time.Now()
	c.call(t, http.MethodPost, organization+"/webhooks/"+dead.ID+"/enable", nil, http.StatusOK, nil)
	during := s.latency(t, conn, well, "during", 1000)
	s.drained(t, c, dead, int64(many*9/10))
	some := memory(t, s.dispatchers[0])
	s.drained(t, c, dead, 0)
	took := time.Since(began)
	all := memory(t, s.dispatchers[0])
	after := s.latency(t, conn, well, "after", 1000)
	t.Logf("they were delivered in %s; a healthy webhook's p99 was %s alone, %s beside them, %s while they were delivered, %s afterwards",
		took.Round(time.Second), alone, beside, during, after)
	t.Logf("the dispatcher used, at most, %d MiB when the first were held, %d when all were, %d when a tenth was delivered, %d when all were",
		first>>20, held>>20, some>>20, all>>20)
	if delivered := s.receiver.Counts(dead.path).Statuses[http.StatusOK]; delivered < uint64(many)+1 {
		t.Errorf("%d of %d held events were delivered", delivered, many+1)
	}
	const tidying = 3 * time.Millisecond // Postgres, for some minutes, behind as many entries in the log
	within(t, "beside very many held events", beside, alone, after, tidying)
	// Then everything here works as hard as it can, on the same processors; behind
	// the others it would come after a minute or more.
	if most := 250 * time.Millisecond; during > most {
		t.Errorf("p99 is %s while very many events are delivered, more than %s", during, most)
	}
	const slack, bound = 16 << 20, 150 << 20
	if held > first+slack || all > some+slack || all > bound {
		t.Errorf("the dispatcher's memory is not flat, or more than %d MiB", bound>>20)
	}
}

// heldUp waits until so many events wait for a webhook, for as long as they become
// more.
func heldUp(t *testing.T, c *client, h hook, all int64) {
	t.Helper()
	for held := int64(-1); held < all; {
		await(t, "holding", func() error {
			now := c.hook(t, h.ID).HeldEvents
			if now == held {
				return fmt.Errorf("still %d are held", held)
			}
			held = now
			return nil
		})
	}
}

// drained waits until no more than this many events wait for a webhook, for as
// long as they become fewer.
func (s *system) drained(t *testing.T, c *client, h hook, left int64) {
	t.Helper()
	for held := c.hook(t, h.ID).HeldEvents; held > left; {
		await(t, "draining", func() error {
			now := c.hook(t, h.ID).HeldEvents
			if now == held {
				return fmt.Errorf("still %d are held", held)
			}
			held = now
			return nil
		})
	}
}

// hold publishes the events from one number up to another to the webhook that is
// disabled.
func (s *system) hold(t *testing.T, conn *stream.Conn, from, to int) {
	t.Helper()
	const publishers = 256
	var (
		next   atomic.Int64
		all    sync.WaitGroup
		sample = event.Sample(event.CallCompleted, organization, "evt_held", time.Now())
	)
	next.Store(int64(from))
	for range publishers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(to); i = next.Add(1) {
				e, err := event.New("evt_held_"+strconv.FormatInt(i, 10), sample.Type, sample.Timestamp, organization, sample.Data)
				if err == nil {
					err = conn.Publish(t.Context(), e)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// latency publishes events to a healthy webhook one after the other and returns
// the p99 from publishing to arrival.
func (s *system) latency(t *testing.T, conn *stream.Conn, h hook, phase string, n int) time.Duration {
	t.Helper()
	took := make([]time.Duration, 0, n)
	for i := range n {
		id := fmt.Sprintf("evt_%s_%d", phase, i)
		began := time.Now()
		publishSample(t, conn, event.NoteCreated, id)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := s.receiver.Wait(ctx, func() bool { return s.receiver.Event(id).Requests > 0 })
		cancel()
		if err != nil {
			t.Fatalf("event %s did not reach %s: %v", id, h.path, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("a healthy webhook, %s: %s", phase, figures(took))
	return took[n*99/100].Round(100 * time.Microsecond)
}

func publishSample(t *testing.T, conn *stream.Conn, kind event.Type, id string) {
	t.Helper()
	if err := conn.Publish(t.Context(), event.Sample(kind, organization, id, time.Now())); err != nil {
		t.Fatal(err)
	}
}

// memory returns the most memory that a process has used, in bytes.
func memory(t *testing.T, p *process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no peak memory in /proc")
	return 0
}
