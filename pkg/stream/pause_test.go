package stream_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
)

// The server ignores a pause in the update of a consumer, so both directions are
// tested: a hold that begins on a lane that is being read, and one that ends
// early.
func TestAHoldBeginsAndEndsWhileItsLaneIsRead(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	open := func(inFlight int, until time.Time) *stream.Lane {
		t.Helper()
		lane, err := c.OpenLane(t.Context(), "wh_1", inFlight, until)
		if err != nil {
			t.Fatal(err)
		}
		return lane
	}
	if err := c.Enqueue(t.Context(), waiting("one"), 0); err != nil {
		t.Fatal(err)
	}
	pullLane(t, open(32, time.Time{}), 1)

	if err := c.Enqueue(t.Context(), waiting("two"), 0); err != nil {
		t.Fatal(err)
	}
	for _, until := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(2 * time.Hour)} {
		n, err := open(1, until).Pull(t.Context(), 1, 300*time.Millisecond, func(delivery.Delivery, *stream.Message) {})
		if n != 0 || err != nil {
			t.Errorf("%d were handed out during the hold, %v", n, err)
		}
	}
	pullLane(t, open(32, time.Time{}), 1)
	pullNothing(t, open(1, time.Now().Add(-time.Second))) // a hold that has ended is none
}

func pullNothing(t *testing.T, lane *stream.Lane) {
	t.Helper()
	if waiting, held, err := lane.Remaining(t.Context()); waiting != 0 || held != 0 || err != nil {
		t.Errorf("%d wait and %d are held, %v", waiting, held, err)
	}
}
