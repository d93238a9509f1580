package storetest

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// FillWithSecrets writes a webhook, its log and an idempotent answer that shows
// its secret, and returns the part of the secret that must stand nowhere.
func FillWithSecrets(t *testing.T, s store.Store) string {
	t.Helper()
	w := Webhook("acme")
	w = create(t, s, w)
	record(t, s, Failed(w, time.Now(), time.Second))
	begin(t, s, "key", time.Now())
	answer := store.IdempotentAnswer{Status: 201, Body: []byte(`{"secret":"` + w.Secret.Reveal() + `"}`)}
	if err := s.Finish(t.Context(), "key", answer); err != nil {
		t.Fatal(err)
	}
	return w.Secret.Reveal()[len("whsec_"):]
}
