package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// history publishes n calls of an organization, between them others, and
// returns their messages as they are read one by one.
func history(t *testing.T, c *stream.Conn, n int) []*stream.Message {
	t.Helper()
	now := time.Now()
	for i := range n {
		for _, e := range []event.Event{
			event.Sample(event.CallCompleted, "acme", fmt.Sprintf("evt_%d", i), now),
			event.Sample(event.NoteCreated, "acme", fmt.Sprintf("evt_note_%d", i), now),
			event.Sample(event.CallCompleted, "globex", fmt.Sprintf("evt_%d", i), now),
		} {
			if err := c.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []*stream.Message
	for i := range n {
		m, err := c.Event(t.Context(), uint64(3*i+1))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestHistoryIsReadInPages(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	want := history(t, c, 10)
	span := stream.EventRange{OrganizationID: "acme", Type: event.CallCompleted, Since: want[2].Stored}
	var got []*stream.Message
	for page := 0; ; page++ {
		messages, err := c.History(t.Context(), span, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			break
		}
		got = append(got, messages...)
		span.After = messages[len(messages)-1].Sequence
	}
	if len(got) != 8 {
		t.Fatalf("read %d events, want 8", len(got))
	}
	for i, m := range got {
		e, err := m.Event()
		if w := want[i+2]; err != nil || m.Sequence != w.Sequence || !m.Stored.Equal(w.Stored) || string(e.Body()) != string(w.Data) {
			t.Errorf("event %d is %d at %s, want %d at %s; %v", i, m.Sequence, m.Stored, w.Sequence, w.Stored, err)
		}
	}
}

func TestHistoryIsCounted(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	all := history(t, c, 10)
	at := func(i int) time.Time { return all[i].Stored }
	for _, tc := range []struct {
		name         string
		since, until time.Time
		want         int64
	}{
		{"all", at(0).Add(-time.Hour), at(9).Add(time.Hour), 10},
		{"from the third on", at(2), at(9).Add(time.Nanosecond), 8},
		{"before the last", at(0), at(9), 9},
		{"one", at(4), at(5), 1},
		{"before all", at(0).Add(-time.Hour), at(0), 0},
		{"after all", at(9).Add(time.Hour), at(9).Add(2 * time.Hour), 0},
		{"the wrong way round", at(5), at(4), 0},
	} {
		span := stream.EventRange{OrganizationID: "acme", Type: event.CallCompleted, Since: tc.since}
		if n, err := c.CountHistory(t.Context(), span, tc.until); err != nil || n != tc.want {
			t.Errorf("%s: %d, %v; want %d", tc.name, n, err, tc.want)
		}
	}
}

func TestAnEventThatIsNotKeptIsNotFound(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	history(t, c, 1)
	for _, sequence := range []uint64{0, 4, 1 << 40} {
		if _, err := c.Event(t.Context(), sequence); !fault.Is(err, fault.NotFound) {
			t.Errorf("event %d: %v", sequence, err)
		}
	}
}

func TestHandledIsWhatTheDispatchersHaveFinished(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	history(t, c, 2) // six events
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var held []*stream.Message
	if _, err := events.Pull(t.Context(), 3, time.Second, func(m *stream.Message) { held = append(held, m) }); err != nil {
		t.Fatal(err)
	}
	handled := func(w webhook.Webhook, want uint64) {
		t.Helper()
		await(t, func() bool { n, err := c.Handled(t.Context(), w); return err == nil && n == want })
	}
	handled(webhook.Webhook{OrganizationID: "acme"}, 0)
	for _, i := range []int{2, 0} { // the second is still on its way
		if err := held[i].Ack(); err != nil {
			t.Fatal(err)
		}
	}
	handled(webhook.Webhook{OrganizationID: "acme"}, held[0].Sequence)
	if err := held[1].Ack(); err != nil {
		t.Fatal(err)
	}
	handled(webhook.Webhook{OrganizationID: "acme"}, held[2].Sequence)

	// An ordered webhook has a place of its own.
	w := webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Event: webhook.SendCallLogs, OrderedFrom: 3}
	handled(w, 2)
	place, err := c.OpenOrdered(t.Context(), w, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = place.Pull(t.Context(), 1, time.Second, func(_ delivery.Delivery, m *stream.Message) {
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	handled(w, 4)
}

func TestADeliveryThatIsAskedForAgainIsNoDuplicate(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	d := waiting("1")
	again := d
	again.PriorAttempts = 3
	for range 2 { // as when a replica repeats the work of one that died
		if err := c.Enqueue(t.Context(), d, 3); err != nil {
			t.Fatal(err)
		}
		for _, request := range []string{"first", "second"} {
			if err := c.Requeue(t.Context(), again, request); err != nil {
				t.Fatal(err)
			}
		}
	}
	lane, err := c.OpenLane(t.Context(), "wh_1", 10, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var earlier []int
	_, err = lane.Pull(t.Context(), 10, 500*time.Millisecond, func(d delivery.Delivery, m *stream.Message) {
		earlier = append(earlier, d.PriorAttempts)
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
	})
	if err != nil || fmt.Sprint(earlier) != "[0 3 3]" {
		t.Fatalf("in the lane: %v, %v", earlier, err)
	}

	// A retry is still one of those that were asked for.
	if err := c.EnqueueAt(t.Context(), again, 4, time.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		found := -1
		_, err := lane.Pull(t.Context(), 1, 100*time.Millisecond, func(d delivery.Delivery, m *stream.Message) {
			found = d.PriorAttempts
			if err := m.Ack(); err != nil {
				t.Error(err)
			}
		})
		if found > 0 && found != 3 {
			t.Errorf("the retry came after %d", found)
		}
		return err == nil && found == 3
	})
}
