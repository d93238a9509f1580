package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// atReplicas is the most that two replicas have in flight to one webhook.
const atReplicas = 2 * webhookMaxInFlight

// Two replicas hold as many requests as they may, all unanswered, and thousands
// of events wait. Once the API has answered, not one more request may come.
func TestNothingIsSentOnceTheAPIHasAnswered(t *testing.T) {
	t.Parallel()
	for _, how := range []struct {
		name string
		stop func(t *testing.T, c *client, id string)
	}{
		{"delete", func(t *testing.T, c *client, id string) { t.Helper(); c.remove(t, id) }},
		{"disable", func(t *testing.T, c *client, id string) { t.Helper(); c.setEvent(t, id, "disabled") }},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, pgtest.Schema(t))
			s.with(map[string]string{"MAX_IN_FLIGHT": "512"}) // of which one webhook may have its 32
			s.run(t, 2)
			c := s.client(t)
			h := c.create(t, s.receiverURL, "/queue", event.CallCompleted)
			gate := receiver.NewGate()
			defer gate.Open()
			s.receiver.Set(h.path, gate.Holding(receiver.OK()))
			const queued = 3000
			s.queue(t, h, queued)
			s.await(t, "requests in flight", func() bool { return s.receiver.Counts(h.path).InFlight == atReplicas })
			await(t, "the queue", func() error {
				if held := c.hook(t, h.ID).HeldEvents; held < queued-1000 {
					return fmt.Errorf("only %d events are held", held)
				}
				return nil
			})

			how.stop(t, c, h.ID)
			answered := s.receiver.Counts(h.path).Requests
			gate.Open()
			s.quiet(t, h.ID)
			after := s.receiver.Counts(h.path).Requests
			t.Logf("%d requests when the API had answered, %d in the end, of %d events", answered, after, queued)
			if answered != atReplicas || after != answered {
				t.Errorf("%d requests came before the answer and %d after it; %d were in flight", answered, after-answered, atReplicas)
			}
			if how.name == "delete" {
				c.call(t, http.MethodGet, organization+"/webhooks/"+h.ID, nil, http.StatusNotFound, nil)
				return
			}
			// What was queued while it was disabled is not kept for later.
			c.setEvent(t, h.ID, string(event.CallCompleted))
			s.queue(t, h, 1)
			s.await(t, "a new event", func() bool { return s.receiver.Counts(h.path).Requests > after })
			s.quiet(t, h.ID)
			if again := s.receiver.Counts(h.path).Requests; again != after+1 {
				t.Errorf("%d requests came after it was enabled again; one event happened", again-after)
			}
		})
	}
}

// The same while answers come: what comes after the API's answer can only be
// what had left already.
func TestAFlowEndsWithADelete(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 2)
	c := s.client(t)
	h := c.create(t, s.receiverURL, "/delay/20ms/flow", event.CallCompleted)
	const queued = 5000
	s.queue(t, h, queued)
	s.await(t, "the flow", func() bool { return s.receiver.Counts(h.path).Requests >= 500 })
	c.remove(t, h.ID)
	answered := s.receiver.Counts(h.path).Requests
	s.quiet(t, h.ID)
	after := s.receiver.Counts(h.path).Requests
	t.Logf("%d requests when the API had answered, %d in the end, of %d events", answered, after, queued)
	if answered > queued-1000 {
		t.Fatalf("only %d events were left to hold back", queued-answered)
	}
	if after > answered+atReplicas {
		t.Errorf("%d requests came after the answer; at most %d were in flight", after-answered, atReplicas)
	}
}

// queue publishes calls straight to NATS.
func (s *system) queue(t *testing.T, h hook, count int) {
	t.Helper()
	l := newLedger(s.receiver, h)
	l.mix = traffic.Mix{Calls: 1}
	l.publish(t, uint64(count), count, 0, s.connect(t))
}

// await waits for what the receiver sees.
func (s *system) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.receiver.Wait(ctx, done); err != nil {
		t.Fatalf("%s: %v: %+v", what, err, s.receiver.Counts(""))
	}
}

// quiet waits until there is nothing left to send: no event that a dispatcher
// has not been given or still works on, and nothing in the webhook's lane.
func (s *system) quiet(t *testing.T, webhookID string) {
	t.Helper()
	conn := s.connect(t)
	await(t, "the end of all work", func() error {
		events, err := conn.EventsOf(t.Context(), organization)
		if err != nil {
			return err
		}
		pending, err := events.Pending(t.Context())
		if err != nil {
			return err
		}
		held, err := conn.Held(t.Context(), webhook.Webhook{ID: webhookID, OrganizationID: organization})
		if err != nil {
			return err
		}
		busy := 0.0
		for _, d := range s.dispatchers {
			busy += metric(t, d, "dialnote_dispatcher_attempts_in_flight") + metric(t, d, "dialnote_dispatcher_lanes_open") +
				metric(t, d, "dialnote_dispatcher_outcomes_unrecorded") + metric(t, d, "dialnote_dispatcher_webhooks_drained")
			held += int64(metric(t, d, "dialnote_dispatcher_deliveries_waiting"))
		}
		if pending > 0 || held > 0 || busy > 0 {
			return fmt.Errorf("%d events, %d held, %v in the replicas", pending, held, busy)
		}
		return nil
	})
}
