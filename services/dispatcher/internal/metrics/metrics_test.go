package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/metrics"
)

// series returns the value of each series, written like name{label=value}; of a
// histogram the number of observations.
func series(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(family.GetName(), "dialnote_dispatcher_")
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := metrics.New(registry)
	m.Consumed()
	m.Rejected()
	m.Matched(3)
	m.Committed(7, time.Millisecond)
	target := &match.Target{Webhook: webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Provider: webhook.Zapier, URL: "https://example.com"}}
	failed := delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonTimeout}
	m.Attempted(target, delivery.Delivery{}, delivery.Attempt{Number: 1, Outcome: failed})
	m.Attempted(target, delivery.Delivery{}, delivery.Attempt{Number: 2, Outcome: delivery.Outcome{Result: delivery.Succeeded}})
	disabled := store.Recorded{Found: true}
	disabled.After.Health.AutoDisabled = webhook.DisabledForFailures
	m.Recorded(disabled)
	m.Recorded(store.Recorded{Found: true, Before: disabled.After, After: disabled.After}) // was so already
	m.Recorded(store.Recorded{})
	got := series(t, registry)
	for name, want := range map[string]float64{
		"events_consumed_total": 1, "events_rejected_total": 1, "deliveries_matched_total": 3,
		"record_batch_attempts": 1, "record_commit_seconds": 1,
		"attempts_total{provider=zapier,reason=timeout,result=failed}": 1,
		"attempts_total{provider=zapier,reason=,result=succeeded}":     1,
		"attempt_duration_seconds":                                     2,
		"first_attempt_latency_seconds":                                1,
		"webhooks_auto_disabled_total{reason=failures}":                1,
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("a series that nobody expects: %s", name)
	}
}

func TestGaugesReadTheStateWhenTheyAreScraped(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	value := 1.0
	read := func() float64 { value++; return value }
	metrics.Watch(registry, metrics.Gauges{
		SlotsUsed: read, InFlight: read, Unrecorded: read, LanesOpen: read, CacheSize: read, CacheHits: read, CacheMisses: read, CacheNoLease: read,
	})
	got := series(t, registry)
	if len(got) != 8 {
		t.Errorf("series: %v", got)
	}
	for name, v := range got {
		if v < 2 || v > 9 {
			t.Errorf("%s is %v", name, v)
		}
	}
}
