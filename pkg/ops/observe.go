package ops

import (
	"context"
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/cli"
)

// Observe registers the metrics that every service has: its build, whether it is
// ready, and which of its parts answer. A scrape checks the parts, for at most two
// seconds. It returns an error when the registry has these metrics already.
func Observe(r prometheus.Registerer, h *Health, service string) error {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "dialnote_build_info",
		Help:        "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"service": service, "version": cli.Version(), "commit": cli.Commit(), "go": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{build, newHealthCollector(h)} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register the metrics of the service: %w", err)
		}
	}
	return nil
}

// healthCollector is a service's health as metrics.
type healthCollector struct {
	health *Health
	ready  *prometheus.Desc
	part   *prometheus.Desc
}

func newHealthCollector(h *Health) *healthCollector {
	return &healthCollector{
		health: h,
		ready:  prometheus.NewDesc("dialnote_ready", "1 when the service is ready, as /readyz says.", nil, nil),
		part:   prometheus.NewDesc("dialnote_part_up", "1 when a part that the service needs answers.", []string{"part"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *healthCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.ready
	to <- c.part
}

// Collect implements prometheus.Collector.
func (c *healthCollector) Collect(to chan<- prometheus.Metric) {
	wrong := c.health.Ready(context.Background())
	to <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, oneIf(len(wrong) == 0))
	for _, part := range c.health.parts() {
		to <- prometheus.MustNewConstMetric(c.part, prometheus.GaugeValue, oneIf(wrong[part] == nil), part)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// parts returns the names of the parts that were added.
func (h *Health) parts() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	names := make([]string, 0, len(h.checks))
	for name := range h.checks {
		names = append(names, name)
	}
	return names
}
