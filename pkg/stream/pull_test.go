package stream_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// Lanes are read with short pulls. A delivery that the server hands out as a pull
// ends must not be lost: it would be redelivered only a minute later.
func TestNothingIsLostBetweenTwoShortPulls(t *testing.T) {
	t.Parallel()
	const n = 400
	c := ensured(t)
	lane, err := c.OpenLane(t.Context(), "wh_1", 1000, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	go func() {
		for i := range n {
			if err := c.Enqueue(t.Context(), waiting(fmt.Sprint(i)), 0); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	got := 0
	for got < n {
		came, err := lane.Pull(t.Context(), 2, 500*time.Microsecond, func(_ delivery.Delivery, m *stream.Message) {
			if m.Redelivered == stream.SurelyRedelivered {
				t.Error("a delivery was lost, and handed out again")
			}
			if err := m.Ack(); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		got += came
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
}

func TestPullWhileTheBrokerIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	await(t, func() bool {
		_, err := events.Pull(t.Context(), 1, 10*time.Millisecond, func(*stream.Message) { t.Error("an event came") })
		return fault.Is(err, fault.Unavailable)
	})
}

// A message of the largest size that the server takes leaves no space for the
// reason; it must be stored all the same, or it would be tried for ever.
func TestTheLargestMessageCanBeRejected(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	publisher, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(publisher.Close)
	subject := proto.SubjectEvent("acme", string(event.CallCompleted))
	if err := publisher.Publish(subject, bytes.Repeat([]byte("x"), int(publisher.MaxPayload()))); err != nil {
		t.Fatal(err)
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	n, err := events.Pull(t.Context(), 1, 10*time.Second, func(m *stream.Message) {
		if err := c.Reject(t.Context(), m, "The message is not JSON."); err != nil {
			t.Errorf("reject: %v", err)
		}
	})
	if n != 1 || err != nil {
		t.Fatalf("pulled %d, %v", n, err)
	}
}
