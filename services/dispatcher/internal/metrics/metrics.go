// Package metrics has the dispatcher's Prometheus metrics. No label holds a
// webhook, an organization or a URL: each label has few values, which are known
// beforehand. Every series is there from the start, so that the first failure
// changes it from 0 to 1. docs/metrics.md explains each metric.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
)

// Way is by which way a delivery came to its attempt.
type Way string

// The ways.
const (
	Direct  Way = "direct"  // straight from the event: the objective of 5 seconds is about these
	Lane    Way = "lane"    // from the lane of a webhook that could not take it at once
	Ordered Way = "ordered" // to an ordered webhook, one after the other
)

// Metrics counts what the dispatcher does.
type Metrics struct {
	consumed     prometheus.Counter
	rejected     prometheus.Counter
	overQuota    *prometheus.CounterVec
	repeated     prometheus.Counter
	contradicted *prometheus.CounterVec
	matched      prometheus.Counter
	declined     *prometheus.CounterVec
	attempts     *prometheus.CounterVec
	delay        *prometheus.HistogramVec
	latency      *prometheus.HistogramVec
	duration     prometheus.Histogram
	phases       *prometheus.HistogramVec
	held         *prometheus.CounterVec
	released     prometheus.Counter
	disabled     *prometheus.CounterVec
	batch        prometheus.Histogram
	commit       prometheus.Histogram
	failed       prometheus.Counter
	recent       reachability
}

const namespace, subsystem = "dialnote", "dispatcher"

// New registers the metrics.
func New(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		consumed:     prometheus.NewCounter(counter("events_consumed_total", "Events taken from the event stream; a redelivered one counts again.")),
		rejected:     prometheus.NewCounter(counter("events_rejected_total", "Messages that could not be read as an event and were put into the rejected stream.")),
		overQuota:    prometheus.NewCounterVec(counter("events_over_quota_total", "Events that were put into the rejected stream because their organization had reached a quota, by quota."), []string{"quota"}),
		repeated:     prometheus.NewCounter(counter("events_repeated_total", "Events that came again, in another message of the stream, and were not delivered again.")),
		contradicted: prometheus.NewCounterVec(counter("events_contradictory_total", "Events that contradict themselves: one that came again has other content, or the Nats-Msg-Id is not the event's."), []string{"what"}),
		matched:      prometheus.NewCounter(counter("deliveries_matched_total", "Deliveries that events were matched to.")),
		declined:     prometheus.NewCounterVec(counter("deliveries_declined_total", "Deliveries that were not attempted: deferred until the webhook takes them, or skipped because the webhook no longer sends the event."), []string{"result"}),
		attempts:     prometheus.NewCounterVec(counter("attempts_total", "HTTP requests made, by result, reason and provider; tests do not count."), []string{"result", "reason", "provider"}),
		delay:        prometheus.NewHistogramVec(histogram("first_attempt_delay_seconds", "Time from storing an event to the start of its first attempt, by its way.", waits()), []string{"way"}),
		latency:      prometheus.NewHistogramVec(histogram("first_attempt_latency_seconds", "Time from storing an event to the end of its first attempt, by its way.", waits()), []string{"way"}),
		duration:     prometheus.NewHistogram(histogram("attempt_duration_seconds", "How long attempts took.", times())),
		phases:       prometheus.NewHistogramVec(histogram("attempt_phase_seconds", "How long the phases of attempts took; on a reused connection there is no resolve, connect or tls.", times()), []string{"phase"}),
		held:         prometheus.NewCounterVec(counter("holds_begun_total", "Holds that a failure began, by its reason; a failed probe lengthens a hold and begins none."), []string{"reason"}),
		released:     prometheus.NewCounter(counter("holds_ended_total", "Holds that a success ended.")),
		disabled:     prometheus.NewCounterVec(counter("webhooks_auto_disabled_total", "Webhooks that were disabled automatically, by reason."), []string{"reason"}),
		batch:        prometheus.NewHistogram(histogram("record_batch_attempts", "Outcomes recorded in one transaction.", prometheus.ExponentialBuckets(1, 2, 10))),
		commit:       prometheus.NewHistogram(histogram("record_commit_seconds", "How long a transaction of the recorder took.", times())),
		failed:       prometheus.NewCounter(counter("record_failures_total", "Transactions of the recorder that failed; each try counts.")),
	}
	r.MustRegister(m.consumed, m.rejected, m.overQuota, m.repeated, m.contradicted, m.matched, m.declined, m.attempts, m.delay, m.latency, m.duration, m.phases,
		m.held, m.released, m.disabled, m.batch, m.commit, m.failed, newRecent(&m.recent))
	m.begin()
	return m
}

// begin makes every series, at 0.
func (m *Metrics) begin() {
	for _, p := range []webhook.Provider{webhook.Custom, webhook.Zapier} {
		m.attempts.WithLabelValues(string(delivery.Succeeded), "", string(p))
		for _, reason := range delivery.Reasons() {
			m.attempts.WithLabelValues(string(delivery.Failed), string(reason), string(p))
		}
	}
	for _, reason := range delivery.Reasons() {
		if reason.HoldsEndpoint() {
			m.held.WithLabelValues(string(reason))
		}
	}
	for _, what := range repeat.Contradictions() {
		m.contradicted.WithLabelValues(string(what))
	}
	for _, result := range []delivery.Result{delivery.Deferred, delivery.Skipped} {
		m.declined.WithLabelValues(string(result))
	}
	for _, name := range quota.Names() {
		m.overQuota.WithLabelValues(string(name))
	}
	for _, way := range []Way{Direct, Lane, Ordered} {
		m.delay.WithLabelValues(string(way))
		m.latency.WithLabelValues(string(way))
	}
	for _, p := range phases(delivery.Phases{}) {
		m.phases.WithLabelValues(p.name)
	}
	for _, why := range []webhook.DisabledReason{webhook.DisabledForFailures, webhook.DisabledAsGone} {
		m.disabled.WithLabelValues(string(why))
	}
}

// Consumed counts an event taken from the stream.
func (m *Metrics) Consumed() { m.consumed.Inc() }

// Rejected counts a message put into the rejected stream.
func (m *Metrics) Rejected() { m.rejected.Inc() }

// OverQuota counts an event that was put into the rejected stream because of a quota.
func (m *Metrics) OverQuota(name quota.Name) { m.overQuota.WithLabelValues(string(name)).Inc() }

// Repeated counts an event that came again.
func (m *Metrics) Repeated() { m.repeated.Inc() }

// Contradicted counts an event that contradicts itself.
func (m *Metrics) Contradicted(what repeat.Contradiction) {
	m.contradicted.WithLabelValues(string(what)).Inc()
}

// Matched counts the webhooks that an event goes to.
func (m *Metrics) Matched(webhooks int) { m.matched.Add(float64(webhooks)) }

// By returns the metrics of the deliveries of one way.
func (m *Metrics) By(way Way) *Observed {
	o := &Observed{Metrics: m, delay: m.delay.WithLabelValues(string(way)), latency: m.latency.WithLabelValues(string(way))}
	for i, p := range phases(delivery.Phases{}) {
		o.phases[i] = m.phases.WithLabelValues(p.name)
	}
	return o
}

// Observed has the metrics of the deliveries of one way, looked up once.
type Observed struct {
	*Metrics

	delay, latency prometheus.Observer
	phases         [5]prometheus.Observer
}

// Attempted counts an HTTP request.
func (o *Observed) Attempted(t *match.Target, d delivery.Delivery, a delivery.Attempt) {
	o.attempts.WithLabelValues(string(a.Outcome.Result), string(a.Outcome.Reason), string(t.Webhook.Provider)).Inc()
	o.duration.Observe(a.EndedAt.Sub(a.StartedAt).Seconds())
	for i, p := range phases(a.Outcome.Phases) {
		if p.took > 0 {
			o.phases[i].Observe(p.took.Seconds())
		}
	}
	if a.Number == 1 {
		o.delay.Observe(a.StartedAt.Sub(d.EventStored).Seconds())
		o.latency.Observe(a.EndedAt.Sub(d.EventStored).Seconds())
	}
	o.recent.attempted(d.OrganizationID, a.Outcome.StatusCode != 0, a.EndedAt)
}

// phase is a part of an attempt.
type phase struct {
	name string
	took time.Duration
}

func phases(p delivery.Phases) [5]phase {
	return [...]phase{{"resolve", p.Resolve}, {"connect", p.Connect}, {"tls", p.TLS}, {"first_byte", p.FirstByte}, {"total", p.Total}}
}

// Recorded counts an outcome that was recorded, and what it changed in the
// webhook's health.
func (m *Metrics) Recorded(a delivery.Attempt, r delivery.Step) {
	if a.Outcome.Result == delivery.Deferred || a.Outcome.Result == delivery.Skipped {
		m.declined.WithLabelValues(string(a.Outcome.Result)).Inc()
	}
	if !r.Found {
		return
	}
	before, after := r.Before.Health, r.After.Health
	switch {
	case !before.OnHold() && after.OnHold():
		m.held.WithLabelValues(string(a.Outcome.Reason)).Inc()
	case before.OnHold() && a.Outcome.Result == delivery.Succeeded && !after.OnHold():
		m.released.Inc()
	}
	if before.AutoDisabled != after.AutoDisabled && after.AutoDisabled != webhook.NotAutoDisabled {
		m.disabled.WithLabelValues(string(after.AutoDisabled)).Inc()
	}
}

// Committed observes a transaction of the recorder.
func (m *Metrics) Committed(attempts int, took time.Duration) {
	m.batch.Observe(float64(attempts))
	m.commit.Observe(took.Seconds())
}

// NotCommitted counts a transaction of the recorder that failed.
func (m *Metrics) NotCommitted() { m.failed.Inc() }
