package recovery_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/recovery"
)

func TestWhatWasMissed(t *testing.T) {
	t.Parallel()
	const (
		handled = 5 // by the dispatchers
		pending = 35 * time.Second
	)
	type event = recovery.Event
	missed := func(id string, position uint64) recovery.Decided {
		return recovery.Decided{Examined: 1, Position: position, Missed: []string{id}}
	}
	not := func(position uint64) recovery.Decided { return recovery.Decided{Examined: 1, Position: position} }
	unordered, ordered := webhook.Webhook{}, webhook.Webhook{OrderedFrom: 7}
	for name, tt := range map[string]struct {
		webhook webhook.Webhook
		events  []event
		want    recovery.Decided
	}{
		"no event":                             {},
		"delivered":                            {unordered, []event{{Sequence: 3, Status: delivery.StatusDelivered}}, not(3)},
		"retrying":                             {unordered, []event{{Sequence: 3, Status: delivery.StatusRetrying}}, not(3)},
		"held":                                 {unordered, []event{{Sequence: 3, Status: delivery.StatusHeld}}, not(3)},
		"failed":                               {unordered, []event{{Sequence: 3, Status: delivery.StatusFailed}}, missed("3", 3)},
		"skipped":                              {unordered, []event{{Sequence: 3, Status: delivery.StatusSkipped}}, missed("3", 3)},
		"unknown and handled":                  {unordered, []event{{Sequence: 5}}, missed("5", 5)},
		"unknown, not handled, young":          {unordered, []event{{Sequence: 6}}, recovery.Decided{Pending: true}},
		"unknown, not handled, almost old":     {unordered, []event{{Sequence: 6, Age: pending - 1}}, recovery.Decided{Pending: true}},
		"unknown, not handled, old":            {unordered, []event{{Sequence: 6, Age: pending}}, missed("6", 6)},
		"known, not handled, young":            {unordered, []event{{Sequence: 6, Status: delivery.StatusFailed}}, missed("6", 6)},
		"unreadable":                           {unordered, []event{{Sequence: 6, Unreadable: true, Status: delivery.StatusFailed}}, not(6)},
		"ordered, before its first":            {ordered, []event{{Sequence: 6}}, missed("6", 6)},
		"ordered, its first":                   {ordered, []event{{Sequence: 7}}, not(7)},
		"ordered, old, and still in its place": {ordered, []event{{Sequence: 8, Age: time.Hour}}, not(8)},
		"ordered and failed":                   {ordered, []event{{Sequence: 8, Status: delivery.StatusFailed}}, missed("8", 8)},
		"ordered and handled":                  {webhook.Webhook{OrderedFrom: 1}, []event{{Sequence: 5}}, missed("5", 5)},
		"up to the first that is on its way": {
			unordered,
			[]event{{Sequence: 1}, {Sequence: 2, Status: delivery.StatusDelivered}, {Sequence: 4}, {Sequence: 6}, {Sequence: 7, Status: delivery.StatusFailed}},
			recovery.Decided{Examined: 3, Position: 4, Missed: []string{"1", "4"}, Pending: true},
		},
	} {
		got := recovery.Decide(tt.webhook, handled, pending, time.Unix(1_800_000_000, 0), tt.events...)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}
