package delivery_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
)

func TestTimeRangesAreJoined(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2024, 1, 15, hour, 0, 0, 0, time.UTC) }
	var none time.Time
	for _, c := range []struct{ a, b, want delivery.TimeRange }{
		{delivery.TimeRange{From: at(1), To: at(3)}, delivery.TimeRange{From: at(2), To: at(4)}, delivery.TimeRange{From: at(1), To: at(4)}},
		{delivery.TimeRange{From: at(1), To: at(4)}, delivery.TimeRange{From: at(2), To: at(3)}, delivery.TimeRange{From: at(1), To: at(4)}},
		{delivery.TimeRange{From: at(1), To: at(3)}, delivery.TimeRange{}, delivery.TimeRange{}},
		{delivery.TimeRange{From: at(1), To: at(3)}, delivery.TimeRange{From: none, To: at(2)}, delivery.TimeRange{From: none, To: at(3)}},
		{delivery.TimeRange{From: at(1), To: at(3)}, delivery.TimeRange{From: at(2), To: none}, delivery.TimeRange{From: at(1), To: none}},
	} {
		if got := c.a.Joined(c.b); got != c.want {
			t.Errorf("%v and %v are %v, want %v", c.a, c.b, got, c.want)
		}
		if got := c.b.Joined(c.a); got != c.want {
			t.Errorf("%v and %v are %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

// A delivery is attempted after its event was stored, by clocks that may differ.
func TestADeliveryIsAttemptedAfterItsEventWasStored(t *testing.T) {
	t.Parallel()
	stored := time.Date(2024, 1, 15, 23, 30, 0, 0, time.UTC)
	now := stored.Add(48 * time.Hour)
	got := delivery.Delivery{EventStored: stored}.Attempted(now)
	if want := (delivery.TimeRange{From: stored.Add(-time.Hour), To: now.Add(time.Hour)}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// An earlier message of the same event can have been delivered since the event's id
// was made; an id that does not say when that was, or says something impossible,
// leaves it open.
func TestADeliveryIsAttemptedAfterItsEventsIDWasMade(t *testing.T) {
	t.Parallel()
	stored := time.Date(2024, 1, 15, 23, 30, 0, 0, time.UTC)
	now := stored.Add(time.Minute)
	to := now.Add(time.Hour)
	for _, c := range []struct {
		id   string
		from time.Time
	}{
		{event.NewID(stored.Add(-6 * 24 * time.Hour)), stored.Add(-6*24*time.Hour - time.Hour)},
		{event.NewID(stored), stored.Add(-time.Hour)},
		{event.NewID(stored.Add(time.Hour)), stored.Add(-time.Hour)}, // the publisher's clock is fast
		{event.NewID(stored.Add(time.Hour + time.Millisecond)), time.Time{}},
		{"evt_4711", time.Time{}},
	} {
		got := delivery.Delivery{EventID: c.id, EventStored: stored}.AttemptedBefore(now)
		if want := (delivery.TimeRange{From: c.from, To: to}); got != want {
			t.Errorf("%s: %v, want %v", c.id, got, want)
		}
	}
}
