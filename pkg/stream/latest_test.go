package stream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// The last events are found wherever they lie in a stream of others.
func TestTheLatestEvents(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	published := 0
	publish := func(org string, n int) {
		t.Helper()
		for range n {
			published++
			e := event.Sample(event.CallCompleted, org, fmt.Sprintf("evt_%d", published), time.Now())
			if err := c.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	latest := func(org string, n int) (ids []string) {
		t.Helper()
		messages, err := c.Latest(t.Context(), org, event.CallCompleted, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			e, err := m.Event()
			if err != nil || e.OrganizationID != org {
				t.Fatalf("%+v, %v", e, err)
			}
			ids = append(ids, e.ID)
		}
		return ids
	}
	want := func(org string, n int, ids ...string) {
		t.Helper()
		if got := latest(org, n); !slices.Equal(got, ids) {
			t.Errorf("the last %d of %s after %d: %q, want %q", n, org, published, got, ids)
		}
	}
	want("first", 3) // an empty stream
	publish("first", 1)
	want("first", 3, "evt_1")
	want("second", 3)
	publish("second", 200) // 2 to 201
	want("first", 3, "evt_1")
	want("second", 3, "evt_201", "evt_200", "evt_199")
	publish("first", 2) // 202, 203
	want("first", 3, "evt_203", "evt_202", "evt_1")
	want("first", 2, "evt_203", "evt_202")
	publish("third", 700) // 204 to 903
	want("first", 3, "evt_203", "evt_202", "evt_1")
	want("second", 1, "evt_201") // in a crowd of its own, far back
	want("second", 64, latest("second", 64)...)
	want("third", 2, "evt_903", "evt_902")
}
