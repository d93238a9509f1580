//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"sync"
	"testing"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// subscription returns a new webhook for the one subscription of these tests.
func subscription(organizationID string) webhook.Webhook {
	w := Webhook(organizationID)
	w.Provider, w.URL, w.Event = webhook.Zapier, "https://hooks.zapier.com/hooks/standard/1/abc/", webhook.SendNotes
	return w
}

func subscribe(t *testing.T, s store.Store) {
	first := subscription("acme")
	got, err := s.Subscribe(t.Context(), By(), first, 3)
	wantNoError(t, err)
	wantEqual(t, "returned", got, first)
	kept := get(t, s, first)

	// Each of these is another one.
	custom, call, elsewhere := subscription("acme"), subscription("acme"), subscription("other")
	custom.Provider, call.Event = webhook.Custom, webhook.SendCallLogs
	for _, w := range []webhook.Webhook{custom, call, elsewhere} {
		got, err := s.Subscribe(t.Context(), By(), w, 3)
		wantNoError(t, err)
		wantEqual(t, "returned", got.ID, w.ID)
		wantEqual(t, "kept", get(t, s, w).ID, w.ID)
	}

	// The same again is the first, also where there is no room for more.
	got, err = s.Subscribe(t.Context(), By(), subscription("acme"), 3)
	wantNoError(t, err)
	wantEqual(t, "the same again", got, kept)
	more := subscription("acme")
	more.URL += "x"
	_, err = s.Subscribe(t.Context(), By(), more, 3)
	wantFault(t, err, fault.Conflict, "webhook-limit-reached")
}

func subscribeInParallel(t *testing.T, s store.Store) {
	const callers = 20
	ids := make([]string, callers)
	var callersDone sync.WaitGroup
	for i := range callers {
		callersDone.Go(func() {
			w, err := s.Subscribe(t.Context(), By(), subscription("acme"), callers)
			if err != nil {
				t.Error(err)
			}
			ids[i] = w.ID
		})
	}
	callersDone.Wait()
	all, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	if len(all) != 1 {
		t.Fatalf("%d webhooks were made", len(all))
	}
	for _, id := range ids {
		wantEqual(t, "returned", id, all[0].ID)
	}
}
