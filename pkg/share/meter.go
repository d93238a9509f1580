package share

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is taken of something that is shared.
type State struct {
	Used    int // by all holders
	Limit   int // what there is
	Waiting int // callers
}

// Meter is the metrics of something that is shared: how much of it is taken, and
// who is held back and why. Organizations and clients are no labels, since there is
// no end of them. It is a prometheus.Collector, and safe for concurrent use.
type Meter struct {
	read     func() State
	heldBack *prometheus.CounterVec
	used     *prometheus.Desc
	limit    *prometheus.Desc
	waiting  *prometheus.Desc
}

// The values of the labels reason and result.
const (
	reasonShare   = "share"
	reasonFull    = "full"
	resultWaits   = "waits"
	resultRefused = "refused"
)

// NewMeter returns the metrics of what of names. read returns its state; each scrape
// calls it.
func NewMeter(of string, read func() State) *Meter {
	labels := prometheus.Labels{"of": of}
	m := &Meter{
		read: read,
		heldBack: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name:        "dialnote_held_back_total",
			Help:        "How often an organization or a client did not get at once its part of what all share, by why and by what followed.",
			ConstLabels: labels,
		}, []string{"reason", "result"}),
		used:    prometheus.NewDesc("dialnote_shared_used", "How much is taken of what all organizations or clients share.", nil, labels),
		limit:   prometheus.NewDesc("dialnote_shared_limit", "How much there is of what all organizations or clients share.", nil, labels),
		waiting: prometheus.NewDesc("dialnote_shared_waiting", "Callers that wait for their part of what all organizations or clients share.", nil, labels),
	}
	for _, reason := range []string{reasonShare, reasonFull} {
		for _, result := range []string{resultWaits, resultRefused} {
			m.heldBack.WithLabelValues(reason, result) // there from the start
		}
	}
	return m
}

// Waits counts a caller that waits because of why, and nothing for nil.
func (m *Meter) Waits(why error) { m.count(why, resultWaits) }

// Refused counts a caller that was refused because of why, and nothing for nil.
func (m *Meter) Refused(why error) { m.count(why, resultRefused) }

func (m *Meter) count(why error, result string) {
	if why == nil {
		return
	}
	reason := reasonFull
	if errors.Is(why, ErrOverShare) {
		reason = reasonShare
	}
	m.heldBack.WithLabelValues(reason, result).Inc()
}

// Describe implements prometheus.Collector.
func (m *Meter) Describe(to chan<- *prometheus.Desc) {
	m.heldBack.Describe(to)
	to <- m.used
	to <- m.limit
	to <- m.waiting
}

// Collect implements prometheus.Collector.
func (m *Meter) Collect(to chan<- prometheus.Metric) {
	m.heldBack.Collect(to)
	now := m.read()
	gauge := func(d *prometheus.Desc, n int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	gauge(m.used, now.Used)
	gauge(m.limit, now.Limit)
	gauge(m.waiting, now.Waiting)
}
