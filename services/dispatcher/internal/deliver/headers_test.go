package deliver_test

import (
	"slices"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
)

func TestAddedHeadersAreSentAndTheirNamesKept(t *testing.T) {
	t.Parallel()
	plain := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
	if a, _ := deliver.Attempt(t.Context(), plain, clock(), target(t, nil), testDelivery(), 1); a.HeaderNames != nil {
		t.Errorf("without any: %q", a.HeaderNames)
	}
	s := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
	to := target(t, func(w *webhook.Webhook) {
		w.Headers = []webhook.Header{
			{Name: "x-dialnote-signature", Value: "older than the rule"}, {Name: "x-make-apikey", Value: "k"},
		}
	})
	a, ok := deliver.Attempt(t.Context(), s, clock(), to, testDelivery(), 1)
	sent, without := s.request.Fields.Header(), plain.request.Fields.Header()
	if !ok || !slices.Equal(sent["x-make-apikey"], []string{"k"}) || sent["x-dialnote-signature"] != nil {
		t.Errorf("sent %q", sent)
	}
	if len(sent) != len(without)+1 {
		t.Errorf("sent %q", sent)
	}
	for _, name := range []string{"X-DialNote-Signature", "webhook-signature"} {
		if !slices.Equal(sent[name], without[name]) {
			t.Errorf("%s depends on the added headers", name)
		}
	}
	if want := []string{"x-dialnote-signature", "x-make-apikey"}; !slices.Equal(a.HeaderNames, want) {
		t.Errorf("kept %q", a.HeaderNames)
	}
	if declined := deliver.DeclinedAt(clock(), to, testDelivery(), delivery.Skipped, "no"); declined.HeaderNames != nil {
		t.Errorf("of a request that was not made: %q", declined.HeaderNames)
	}
}
