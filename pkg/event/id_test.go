package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

func TestAnIDSaysWhenItWasMade(t *testing.T) {
	t.Parallel()
	for _, made := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(1), time.UnixMilli(1<<48 - 1), time.Date(2026, 11, 30, 12, 0, 0, 999e6, time.UTC),
	} {
		if got, ok := event.IDTime(event.NewID(made)); !ok || !got.Equal(made) {
			t.Errorf("made at %s: %s, %t", made, got, ok)
		}
	}
	id := event.NewID(time.Now())
	for _, other := range []string{
		"", "evt_", "evt_4711", id[:29], id + "0", strings.ToUpper(id), "evx_" + id[4:],
		"evt_8" + id[5:], "evt_z" + id[5:], id[:10] + "u" + id[11:], id[:29] + "-", event.NewTestID(time.Now()),
	} {
		if at, ok := event.IDTime(other); ok {
			t.Errorf("%q was made at %s", other, at)
		}
	}
}
