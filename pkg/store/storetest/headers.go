//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func headersChange(t *testing.T, s store.Store) {
	w := Webhook("acme")
	w.Headers = []webhook.Header{{Name: "x-make-apikey", Value: "first"}}
	create(t, s, w)
	var most []webhook.Header
	for i := range webhook.MaxHeaders {
		name := strings.Repeat("n", webhook.MaxHeaderName-1) + string(rune('0'+i))
		most = append(most, webhook.Header{Name: name, Value: webhook.HeaderValue(strings.Repeat("v", webhook.MaxHeaderValue))})
	}
	for _, want := range [][]webhook.Header{
		{{Name: "x-make-apikey", Value: "second"}}, // another value only
		{{Name: "x-make-apikey", Value: "second"}}, // as it is
		most,
		nil,
		{{Name: "Authorization", Value: "Bearer x"}},
	} {
		updated, err := s.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			w.Headers, w.Name = want, w.Name+"."
			return w, nil
		})
		wantNoError(t, err)
		wantEqual(t, "returned", updated.Headers, want)
		wantEqual(t, "kept", get(t, s, w).Headers, want)
	}
	// Health is written apart from the settings.
	record(t, s, Failed(w, w.CreatedAt, 1))
	wantEqual(t, "after an attempt", get(t, s, w).Headers, []webhook.Header{{Name: "Authorization", Value: "Bearer x"}})
}
