package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// BenchmarkFold is the outcomes of one full transaction: of one webhook that
// succeeds, of many that do, and of many that fail.
func BenchmarkFold(b *testing.B) {
	const batch = 512
	for _, c := range []struct {
		name     string
		webhooks int
		result   delivery.Result
		reason   delivery.Reason
	}{
		{"one succeeds", 1, delivery.Succeeded, ""},
		{"many succeed", batch, delivery.Succeeded, ""},
		{"many fail", batch, delivery.Failed, delivery.ReasonServerError},
	} {
		given := make(map[string]webhook.Webhook, c.webhooks)
		attempts := make([]delivery.Attempt, 0, batch)
		for i := range batch {
			id := fmt.Sprintf("wh_%d", i%c.webhooks)
			given[id] = webhook.Webhook{ID: id, Provider: webhook.Custom, Event: webhook.SendNotes, Version: 1}
			start := foldStart.Add(time.Duration(i) * time.Millisecond)
			attempts = append(attempts, delivery.Attempt{
				ID: fmt.Sprintf("att_%d", i), WebhookID: id, Number: 1, StartedAt: start, EndedAt: start.Add(time.Millisecond),
				Outcome: delivery.Outcome{Result: c.result, Reason: c.reason, StatusCode: 500},
			})
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				delivery.Fold(delivery.DefaultPolicy(), given, attempts, at(0))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/attempt")
		})
	}
}

// BenchmarkHeader is both signatures and all headers of one attempt.
func BenchmarkHeader(b *testing.B) {
	signer, err := signature.NewSigner("whsec_ZGlhbG5vdGUgZ29sZGVuIHRlc3Qga2V5")
	if err != nil {
		b.Fatal(err)
	}
	at := time.Unix(1705314605, 0)
	sample := event.Sample(event.CallCompleted, "org_1", "evt_01hm6a3kz0v8w2c4xq5y7n9rbt", at)
	d := delivery.Of(sample, sample.Body(), "wh_1", 1, at)
	for name, headers := range map[string][]webhook.Header{
		"ours alone":    nil,
		"and two added": {{Name: "Authorization", Value: "Bearer 0123456789"}, {Name: "X-Tenant", Value: "acme"}},
	} {
		w := webhook.Webhook{ID: "wh_1", Provider: webhook.Custom, Event: webhook.SendCallLogs, Headers: headers}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = delivery.Header(d, w, signer, at)
			}
		})
	}
}

// BenchmarkID is the id of one delivery: each event has one for each webhook.
func BenchmarkID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		delivery.ID("wh_01jd9v7q6w3k8m5n2p4r6t8v0x", "evt_01jd9v7q6w3k8m5n2p4r6t8v0y")
	}
}
