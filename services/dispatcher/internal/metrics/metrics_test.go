package metrics_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
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
	before := series(t, registry)
	for name, value := range before {
		if value != 0 {
			t.Errorf("%s begins at %v", name, value)
		}
	}
	m.Consumed()
	m.Rejected()
	m.Matched(3)
	m.Committed(7, time.Millisecond)
	m.NotCommitted()
	direct, lane := m.By(metrics.Direct), m.By(metrics.Lane)
	target := &match.Target{Webhook: webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Provider: webhook.Zapier, URL: "https://example.com"}}
	d := delivery.Delivery{OrganizationID: "acme"}
	failed := delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonTimeout}
	answered := delivery.Outcome{Result: delivery.Succeeded, StatusCode: 204, Phases: delivery.Phases{TLS: time.Millisecond, Total: time.Second}}
	now := time.Now()
	direct.Attempted(target, d, delivery.Attempt{Number: 1, Outcome: failed, EndedAt: now})
	lane.Attempted(target, d, delivery.Attempt{Number: 1, Outcome: failed, EndedAt: now})
	lane.Attempted(target, delivery.Delivery{OrganizationID: "umbrella"}, delivery.Attempt{Number: 2, Outcome: answered, EndedAt: now})

	well := &webhook.Webhook{}
	holding := delivery.Step{Found: true, Before: well, After: &webhook.Webhook{}}
	holding.After.Health.HoldUntil = now
	m.Recorded(delivery.Attempt{Outcome: failed}, holding)
	longer := delivery.Step{Found: true, Before: holding.After, After: holding.After}
	m.Recorded(delivery.Attempt{Outcome: failed}, longer)
	m.Recorded(delivery.Attempt{Outcome: answered}, delivery.Step{Found: true, Before: holding.After, After: well})
	disabled := delivery.Step{Found: true, Before: well, After: &webhook.Webhook{}}
	disabled.After.Health.AutoDisabled = webhook.DisabledForFailures
	m.Recorded(delivery.Attempt{Outcome: failed}, disabled)
	m.Recorded(delivery.Attempt{Outcome: failed}, delivery.Step{Found: true, Before: disabled.After, After: disabled.After}) // was so already
	m.Recorded(delivery.Attempt{Outcome: failed}, delivery.Step{Found: true, Before: disabled.After, After: well})           // and was enabled
	m.Recorded(delivery.Attempt{Outcome: delivery.Outcome{Result: delivery.Deferred}}, delivery.Step{Found: true, Before: well, After: well})
	m.Recorded(delivery.Attempt{Outcome: delivery.Outcome{Result: delivery.Skipped}}, delivery.Step{})

	want := map[string]float64{
		"events_consumed_total": 1, "events_rejected_total": 1, "deliveries_matched_total": 3,
		"record_batch_attempts": 1, "record_commit_seconds": 1, "record_failures_total": 1,
		"attempts_total{provider=zapier,reason=timeout,result=failed}": 2,
		"attempts_total{provider=zapier,reason=,result=succeeded}":     1,
		"attempt_duration_seconds":                                     3,
		"attempt_phase_seconds{phase=tls}":                             1,
		"attempt_phase_seconds{phase=total}":                           1,
		"first_attempt_delay_seconds{way=direct}":                      1,
		"first_attempt_delay_seconds{way=lane}":                        1,
		"first_attempt_latency_seconds{way=direct}":                    1,
		"first_attempt_latency_seconds{way=lane}":                      1,
		"recent_organizations{state=attempted}":                        2,
		"recent_organizations{state=unanswered}":                       1,
		"holds_begun_total{reason=timeout}":                            1,
		"holds_ended_total":                                            1,
		"webhooks_auto_disabled_total{reason=failures}":                1,
		"deliveries_declined_total{result=deferred}":                   1,
		"deliveries_declined_total{result=skipped}":                    1,
	}
	for name, value := range series(t, registry) {
		if value != want[name] {
			t.Errorf("%s is %v, want %v", name, value, want[name])
		}
		if _, there := before[name]; !there {
			t.Errorf("the series %s was not there before it was first counted", name)
		}
		delete(want, name)
	}
	for name := range maps.Keys(want) {
		t.Errorf("there is no %s", name)
	}
}

func TestTheStateIsReadWhenItIsScraped(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	value := 1.0
	read := func() float64 { value++; return value }
	metrics.Watch(registry, metrics.State{
		SlotsUsed: read, SlotsLimit: read, InFlight: read, Unrecorded: read, LanesOpen: read,
		CacheSize: read, CacheBytes: read, CacheHits: read, CacheMisses: read, CacheNoLease: read,
		Lanes: func() map[string]int { return map[string]int{"held": 4, "open": 0} },
	})
	got := series(t, registry)
	if len(got) != 12 || got["lanes{mode=held}"] != 4 {
		t.Errorf("series: %v", got)
	}
	for name, v := range got {
		if name != "lanes{mode=open}" && (v < 2 || v > 11) {
			t.Errorf("%s is %v", name, v)
		}
	}
}
