package resources

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/store"
)

// poolCollector reads the database's connections at each scrape.
type poolCollector struct {
	db                                store.Pooled
	connections, limit, waits, waited *prometheus.Desc
}

func newPoolCollector(db store.Pooled) *poolCollector {
	return &poolCollector{
		db:          db,
		connections: prometheus.NewDesc("dialnote_database_connections", "Connections to the database.", []string{"state"}, nil),
		limit:       prometheus.NewDesc("dialnote_database_connections_limit", "The most connections to the database that may be open at once.", nil, nil),
		waits:       prometheus.NewDesc("dialnote_database_waits_total", "How often a query waited for a free connection to the database.", nil, nil),
		waited:      prometheus.NewDesc("dialnote_database_wait_seconds_total", "How long queries waited for a free connection to the database, in all.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.connections, c.limit, c.waits, c.waited} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(to chan<- prometheus.Metric) {
	p := c.db.Pool()
	to <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(p.InUse), "in_use")
	to <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(p.Idle), "idle")
	to <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(p.Limit))
	to <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(p.Waits))
	to <- prometheus.MustNewConstMetric(c.waited, prometheus.CounterValue, p.Waited.Seconds())
}
