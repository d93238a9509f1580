package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// follow follows until n events have come, and returns their ids.
func follow(t *testing.T, c *stream.Conn, kind event.Type, after uint64, n int) (ids []string, last uint64) {
	t.Helper()
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := c.Follow(ctx, "acme", kind, after, func(m *stream.Message) error {
		e, err := m.Event()
		if err != nil {
			return err
		}
		ids, last = append(ids, e.ID), m.Sequence
		if len(ids) == n {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%v after %q", err, ids)
	}
	return ids, last
}

func TestEventsAreFollowedFromWhereOneWas(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	history(t, c, 30) // acme's calls and notes, and globex's calls
	calls, last := follow(t, c, event.CallCompleted, 0, 20)
	more, _ := follow(t, c, event.CallCompleted, last, 10)
	if all := append(calls, more...); len(all) != 30 || all[0] != "evt_0" || all[20] != "evt_20" || all[29] != "evt_29" {
		t.Errorf("followed %q", all)
	}
	all, _ := follow(t, c, "", 0, 4)
	if want := []string{"evt_0", "evt_note_0", "evt_1", "evt_note_1"}; !slices.Equal(all, want) {
		t.Errorf("followed %q, want %q", all, want)
	}

	// Events are handled as they are published, and the end of ctx is no error.
	next, err := c.NextSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	came, ended := make(chan string, 10), make(chan error, 1)
	go func() {
		ended <- c.Follow(ctx, "acme", event.NoteCreated, next-1, func(m *stream.Message) error {
			e, err := m.Event()
			came <- e.ID
			return err
		})
	}()
	for _, id := range []string{"evt_late_1", "evt_late_2"} {
		if err := c.Publish(t.Context(), event.Sample(event.NoteCreated, "acme", id, time.Now())); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-came:
			if got != id {
				t.Errorf("%s came, want %s", got, id)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s did not come", id)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the end is %v", err)
	}
}
