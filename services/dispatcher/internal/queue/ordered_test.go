package queue

import (
	"testing"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// ordered is a webhook whose place begins at a sequence.
func ordered(from uint64) webhook.Webhook {
	return webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Event: webhook.SendCallLogs, OrderedFrom: from}
}

// An event is acknowledged once Follow has returned nil. So by then the server
// must keep the webhook's place, also when this replica does not read: not yet,
// or no longer.
func TestFollowKeepsThePlaceBeforeTheReplicaReads(t *testing.T) {
	t.Parallel()
	o := NewOrdered((&database{}).parts(t))
	for range 2 {
		if err := o.Follow(t.Context(), ordered(1)); err != nil {
			t.Fatal(err)
		}
	}
	places, err := o.Stream.Places(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(places) != 1 || places[0].WebhookID != "wh_1" || places[0].OrganizationID != "acme" || places[0].OrderedFrom != 1 {
		t.Errorf("the places are %+v", places)
	}
}

func TestFollowSaysWhenThePlaceIsNotKept(t *testing.T) {
	t.Parallel()
	o := NewOrdered((&database{}).parts(t))
	o.Stream.Close()
	if err := o.Follow(t.Context(), ordered(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error is %v, want the stream's", err)
	}
	if _, err := o.Behind(t.Context(), ordered(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error is %v, want the stream's", err)
	}
}

// The place of a webhook that is just being created, or has just begun again, is
// made before its announcement.
func TestAPlaceIsNotRemovedOnTheWordOfTheCache(t *testing.T) {
	t.Parallel()
	db := &database{}
	o := NewOrdered(db.parts(t))
	if err := o.Follow(t.Context(), ordered(5)); err != nil {
		t.Fatal(err)
	}
	sweep := func(when string, want int) {
		t.Helper()
		if err := o.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if places, err := o.Stream.Places(t.Context()); err != nil || len(places) != want {
			t.Errorf("%s: %d places, want %d; %v", when, len(places), want, err)
		}
	}
	o.cached(t) // that there is no webhook
	db.set(ordered(5))
	sweep("its webhook is not in the cache", 1)
	db.set(ordered(4))
	o.Matcher.Drop("acme")
	sweep("its webhook begins again, as far as the cache knows before it", 1)
	db.set(ordered(6))
	o.Matcher.Drop("acme")
	sweep("its webhook has begun again after it", 0)
	if err := o.Follow(t.Context(), ordered(5)); err != nil {
		t.Fatal(err)
	}
	db.set()
	o.Matcher.Drop("acme")
	sweep("its webhook is deleted", 0)
}
