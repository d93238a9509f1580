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
	refused := delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonClientError, StatusCode: 404} // which is an answer
	lane.Attempted(target, delivery.Delivery{OrganizationID: "initech"}, delivery.Attempt{Number: 2, Outcome: refused, EndedAt: now})

	well := &webhook.Webhook{}
	holding := delivery.Step{Found: true, Before: well, After: &webhook.Webhook{}}
	holding.After.Health.HoldUntil = now
	m.Recorded(delivery.Attempt{Outcome: failed}, holding)
	longer := delivery.Step{Found: true, Before: holding.After, After: holding.After}
	m.Recorded(delivery.Attempt{Outcome: failed}, longer)
	m.Recorded(delivery.Attempt{Outcome: answered}, delivery.Step{Found: true, Before: holding.After, After: well})
	m.Recorded(delivery.Attempt{Outcome: refused}, delivery.Step{Found: true, Before: holding.After, After: well}) // its owner ended the hold
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
		"attempts_total{provider=zapier,reason=timeout,result=failed}":      2,
		"attempts_total{provider=zapier,reason=client_error,result=failed}": 1,
		"attempts_total{provider=zapier,reason=,result=succeeded}":          1,
		"attempt_duration_seconds":                                          4,
		"attempt_phase_seconds{phase=tls}":                                  1,
		"attempt_phase_seconds{phase=total}":                                1,
		"first_attempt_delay_seconds{way=direct}":                           1,
		"first_attempt_delay_seconds{way=lane}":                             1,
		"first_attempt_latency_seconds{way=direct}":                         1,
		"first_attempt_latency_seconds{way=lane}":                           1,
		"recent_organizations{state=attempted}":                             3,
		"recent_organizations{state=unanswered}":                            1,
		"holds_begun_total{reason=timeout}":                                 1,
		"holds_ended_total":                                                 1,
		"webhooks_auto_disabled_total{reason=failures}":                     1,
		"deliveries_declined_total{result=deferred}":                        1,
		"deliveries_declined_total{result=skipped}":                         1,
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

func TestADelayEndsWhereTheAttemptStarts(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	stored := time.Now()
	metrics.New(registry).By(metrics.Direct).Attempted(&match.Target{}, delivery.Delivery{EventStored: stored},
		delivery.Attempt{Number: 1, StartedAt: stored.Add(time.Second), EndedAt: stored.Add(3 * time.Second)})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"dialnote_dispatcher_first_attempt_delay_seconds":   1,
		"dialnote_dispatcher_first_attempt_latency_seconds": 3,
		"dialnote_dispatcher_attempt_duration_seconds":      2,
	}
	for _, family := range families {
		sum := 0.0
		for _, m := range family.GetMetric() {
			sum += m.GetHistogram().GetSampleSum()
		}
		if name := family.GetName(); want[name] != 0 && sum != want[name] {
			t.Errorf("%s observed %v s, want %v", name, sum, want[name])
		}
	}
}

func TestTheStateIsReadWhenItIsScraped(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	scrape := 0.0
	read := func(value float64) func() float64 { return func() float64 { return 100*scrape + value } }
	metrics.Watch(registry, metrics.State{
		SlotsUsed: read(1), SlotsLimit: read(2), InFlight: read(3), Unrecorded: read(4), LanesOpen: read(5),
		CacheSize: read(6), CacheBytes: read(7), CacheHits: read(8), CacheMisses: read(9), CacheNoLease: read(10), Remembered: read(11),
		Waiting: read(12), Drained: read(13), LogBytes: read(14), LogLimit: read(15), LogOldest: read(16),
		Counting: read(17), Counted: read(18), CountedMost: read(19),
		OverQuota:   func() map[string]int { return map[string]int{"events": int(scrape), "waiting": 2} },
		Quotas:      func() map[string]int { return map[string]int{"events": 21, "waiting": int(scrape)} },
		Lanes:       func() map[string]int { return map[string]int{"held": 4, "open": int(scrape)} },
		Connections: func() map[string]int { return map[string]int{"HTTP/1.1": 11, "HTTP/2": int(scrape)} },
	})
	for ; scrape < 2; scrape++ {
		want := map[string]float64{
			"slots_used": 1, "slots_limit": 2, "attempts_in_flight": 3, "outcomes_unrecorded": 4, "lanes_open": 5,
			"cache_webhooks": 6, "cache_bytes": 7, "cache_hits_total": 8, "cache_misses_total": 9, "cache_unleased_total": 10, "events_remembered": 11,
			"deliveries_waiting": 12, "webhooks_drained": 13, "log_bytes": 14, "log_limit_bytes": 15, "log_oldest_timestamp_seconds": 16,
			"usage_counting": 17, "usage_bytes": 18, "usage_largest_bytes": 19,
		}
		for name := range want {
			want[name] += 100 * scrape
		}
		want["lanes{mode=held}"], want["lanes{mode=open}"] = 4, scrape
		want["organizations_over_quota{quota=events}"], want["organizations_over_quota{quota=waiting}"] = scrape, 2
		want["quota_bytes{quota=events}"], want["quota_bytes{quota=waiting}"] = 21, scrape
		want["receiver_connections{protocol=HTTP/1.1}"], want["receiver_connections{protocol=HTTP/2}"] = 11, scrape
		if got := series(t, registry); !maps.Equal(got, want) {
			t.Errorf("scrape %v: got %v, want %v", scrape, got, want)
		}
	}
}
