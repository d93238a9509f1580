package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State has the functions that read the dispatcher's state at each scrape.
type State struct {
	SlotsUsed    func() float64
	SlotsLimit   func() float64
	InFlight     func() float64
	Unrecorded   func() float64
	LanesOpen    func() float64
	Waiting      func() float64
	Drained      func() float64
	Remembered   func() float64
	Lanes        func() map[string]int // by how they are read; always with the same keys
	Connections  func() map[string]int // to receivers, by protocol; always with the same keys
	OverQuota    func() map[string]int // organizations, by quota; always with the same keys
	Quotas       func() map[string]int // in bytes, by name; always with the same keys
	LogBytes     func() float64
	LogLimit     func() float64
	LogOldest    func() float64
	Counting     func() float64
	Counted      func() float64
	CountedMost  func() float64
	CacheSize    func() float64
	CacheBytes   func() float64
	CacheHits    func() float64
	CacheMisses  func() float64
	CacheNoLease func() float64
}

// Watch registers the metrics of the state.
func Watch(r prometheus.Registerer, s State) {
	read := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(gauge(name, help), value))
	}
	count := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(counter(name, help), value))
	}
	read("slots_used", "Places for deliveries that are taken, including those reserved for events just requested.", s.SlotsUsed)
	read("slots_limit", "Places for deliveries in all.", s.SlotsLimit)
	read("attempts_in_flight", "HTTP requests in progress.", s.InFlight)
	read("outcomes_unrecorded", "Outcomes that the database has not stored yet.", s.Unrecorded)
	read("lanes_open", "Lanes that this replica reads or has parked.", s.LanesOpen)
	read("deliveries_waiting", "Deliveries that wait for their webhook; all replicas have the same figure.", s.Waiting)
	read("webhooks_drained", "Webhooks for which this replica delivers what waits.", s.Drained)
	read("events_remembered", "Events of the last minutes that are compared with each new one without asking the log.", s.Remembered)
	read("log_bytes", "Bytes that the delivery log took when it was pruned last, about every hour; with SQLite the whole database.", s.LogBytes)
	read("log_limit_bytes", "Bytes that the delivery log may take, 0 for no bound.", s.LogLimit)
	read("log_oldest_timestamp_seconds", "The day of the oldest attempt in the delivery log, in Unix seconds, as of the last pruning; 0 for none.", s.LogOldest)
	read("usage_counting", "1 on the replica that counts what organizations use.", s.Counting)
	read("usage_bytes", "Bytes of events that are kept of all organizations, on the replica that counts, 0 on others.", s.Counted)
	read("usage_largest_bytes", "Bytes of events that are kept of the organization that has most, on the replica that counts, 0 on others.", s.CountedMost)
	read("cache_webhooks", "Webhooks in the cache.", s.CacheSize)
	read("cache_bytes", "Approximate memory of the webhooks in the cache, which the cache's bound limits.", s.CacheBytes)
	count("cache_hits_total", "Lookups answered from the cache.", s.CacheHits)
	count("cache_misses_total", "Lookups that read the database because the cache had no answer.", s.CacheMisses)
	count("cache_unleased_total", "Lookups that read the database because the replica had no lease.", s.CacheNoLease)
	r.MustRegister(&counted{
		desc:  desc("lanes", "Lanes that this replica knows of, by how they are read.", "mode"),
		count: s.Lanes,
	}, &counted{
		desc:  desc("organizations_over_quota", "Organizations that have reached a quota, by quota; all replicas have the same figure.", "quota"),
		count: s.OverQuota,
	}, &counted{
		desc:  desc("quota_bytes", "What each organization may have, by quota, 0 for no limit.", "quota"),
		count: s.Quotas,
	}, &counted{
		desc:  desc("receiver_connections", "Connections to receivers that are kept for reuse: of HTTP/1.1 the idle ones, of HTTP/2 all.", "protocol"),
		count: s.Connections,
	})
}

// newRecent returns the metric of the organizations of the last five minutes.
func newRecent(r *reachability) prometheus.Collector {
	return &counted{
		desc: desc("recent_organizations", "Organizations that requests were sent to in the last five minutes, and those of them that did not answer any.", "state"),
		count: func() map[string]int {
			attempted, unanswered := r.count(time.Now())
			return map[string]int{"attempted": attempted, "unanswered": unanswered}
		},
	}
}

func desc(name, help, label string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, []string{label}, nil)
}

// counted is a gauge with one label, whose series are read together.
type counted struct {
	desc  *prometheus.Desc
	count func() map[string]int
}

// Describe implements prometheus.Collector.
func (c *counted) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *counted) Collect(to chan<- prometheus.Metric) {
	for value, n := range c.count() {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), value)
	}
}
