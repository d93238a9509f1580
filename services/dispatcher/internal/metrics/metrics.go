// Package metrics are the dispatcher's Prometheus metrics. No label ever holds
// a webhook, an organization or a URL: each has few values, known beforehand.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// Metrics counts what the dispatcher does.
type Metrics struct {
	consumed prometheus.Counter
	rejected prometheus.Counter
	matched  prometheus.Counter
	attempts *prometheus.CounterVec
	latency  prometheus.Histogram
	duration prometheus.Histogram
	batch    prometheus.Histogram
	commit   prometheus.Histogram
	disabled *prometheus.CounterVec
}

// Gauges read the dispatcher's state when they are scraped.
type Gauges struct {
	SlotsUsed    func() float64
	InFlight     func() float64
	Unrecorded   func() float64
	LanesOpen    func() float64
	CacheSize    func() float64
	CacheHits    func() float64
	CacheMisses  func() float64
	CacheNoLease func() float64
}

const namespace, subsystem = "dialnote", "dispatcher"

// New registers the metrics.
func New(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
			Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}
	}
	seconds := prometheus.ExponentialBuckets(0.001, 2.5, 13)
	m := &Metrics{
		consumed: prometheus.NewCounter(counter("events_consumed_total", "Events taken from the event stream.")),
		rejected: prometheus.NewCounter(counter("events_rejected_total", "Messages that could not be understood and were put into the rejected stream.")),
		matched:  prometheus.NewCounter(counter("deliveries_matched_total", "Deliveries that events were matched to.")),
		attempts: prometheus.NewCounterVec(counter("attempts_total", "HTTP requests made, by result, reason and provider."), []string{"result", "reason", "provider"}),
		latency:  prometheus.NewHistogram(histogram("first_attempt_latency_seconds", "From storing an event to the end of its first attempt.", seconds)),
		duration: prometheus.NewHistogram(histogram("attempt_duration_seconds", "How long attempts took.", seconds)),
		batch:    prometheus.NewHistogram(histogram("record_batch_attempts", "Attempts recorded in one transaction.", prometheus.ExponentialBuckets(1, 2, 10))),
		commit:   prometheus.NewHistogram(histogram("record_commit_seconds", "How long a transaction of the recorder took.", seconds)),
		disabled: prometheus.NewCounterVec(counter("webhooks_auto_disabled_total", "Webhooks that were disabled automatically, by reason."), []string{"reason"}),
	}
	r.MustRegister(m.consumed, m.rejected, m.matched, m.attempts, m.latency, m.duration, m.batch, m.commit, m.disabled)
	return m
}

// Watch registers the gauges.
func Watch(r prometheus.Registerer, g Gauges) {
	gauge := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, read))
	}
	counter := func(name, help string, read func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, read))
	}
	gauge("slots_used", "Places for deliveries that are taken.", g.SlotsUsed)
	gauge("attempts_in_flight", "HTTP requests that are being made.", g.InFlight)
	gauge("outcomes_unrecorded", "Outcomes that the database has not stored yet.", g.Unrecorded)
	gauge("lanes_open", "Lanes that this replica reads or keeps parked.", g.LanesOpen)
	gauge("cache_webhooks", "Webhooks in the cache, about.", g.CacheSize)
	counter("cache_hits_total", "Lookups answered from the cache.", g.CacheHits)
	counter("cache_misses_total", "Lookups that read the database.", g.CacheMisses)
	counter("cache_unleased_total", "Lookups that read the database because the lease had run out.", g.CacheNoLease)
}

// Consumed counts an event taken from the stream.
func (m *Metrics) Consumed() { m.consumed.Inc() }

// Rejected counts a message put into the rejected stream.
func (m *Metrics) Rejected() { m.rejected.Inc() }

// Matched counts the webhooks that an event goes to.
func (m *Metrics) Matched(webhooks int) { m.matched.Add(float64(webhooks)) }

// Attempted counts an HTTP request.
func (m *Metrics) Attempted(t *match.Target, d delivery.Delivery, a delivery.Attempt) {
	m.attempts.WithLabelValues(string(a.Outcome.Result), string(a.Outcome.Reason), string(t.Webhook.Provider)).Inc()
	m.duration.Observe(a.EndedAt.Sub(a.StartedAt).Seconds())
	if a.Number == 1 {
		m.latency.Observe(a.EndedAt.Sub(d.EventStored).Seconds())
	}
}

// Recorded counts what an outcome changed.
func (m *Metrics) Recorded(r store.Recorded) {
	if r.Found && r.Before.Health.AutoDisabled != r.After.Health.AutoDisabled {
		m.disabled.WithLabelValues(string(r.After.Health.AutoDisabled)).Inc()
	}
}

// Committed observes a transaction of the recorder.
func (m *Metrics) Committed(attempts int, took time.Duration) {
	m.batch.Observe(float64(attempts))
	m.commit.Observe(took.Seconds())
}
