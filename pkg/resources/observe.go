package resources

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Broker is the part of stream.Conn that metrics need.
type Broker interface {
	Overview(ctx context.Context) (stream.Overview, error)
	Link() stream.Link
}

// scrapeTime bounds the requests to the broker during a scrape: Prometheus waits
// for ten seconds by default.
const scrapeTime = 3 * time.Second

// Observe registers the metrics of the broker and the database. Both services
// export them, so that waiting events are seen even when no dispatcher runs; all
// replicas have the same figures of the streams, so queries take their maximum.
// While the broker is away only the metrics of the connection are exported. It
// returns an error when the registry has these metrics already.
func (b *Resources) Observe(r prometheus.Registerer) error {
	if err := r.Register(newClockGauge(b.Store)); err != nil {
		return fmt.Errorf("register the metric of the clock: %w", err)
	}
	return Observe(r, b.Stream, b.Store)
}

// Observe is Resources.Observe for any broker and database.
func Observe(r prometheus.Registerer, b Broker, db store.Pooled) error {
	for _, c := range []prometheus.Collector{newBrokerCollector(b), newPoolCollector(db)} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register the metrics of the broker and the database: %w", err)
		}
	}
	return nil
}

// brokerCollector asks the broker at each scrape.
type brokerCollector struct {
	broker Broker
	now    func() time.Time

	messages, bytes, limit, stored, lacking    *prometheus.Desc
	pending, held, oldest                      *prometheus.Desc
	connected, reconnects, certificateValidity *prometheus.Desc
	publishing                                 *prometheus.Desc
}

func newBrokerCollector(b Broker) *brokerCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("dialnote_"+name, help, labels, nil)
	}
	return &brokerCollector{
		broker: b, now: time.Now,

		messages:   desc("stream_messages", "Messages that a stream keeps.", "stream"),
		bytes:      desc("stream_bytes", "Bytes that a stream keeps.", "stream"),
		limit:      desc("stream_limit_bytes", "Bytes that a stream may keep, 0 for no bound.", "stream"),
		stored:     desc("stream_stored_total", "Messages that a stream has ever stored; of DIALNOTE_EVENTS: events published.", "stream"),
		lacking:    desc("stream_replicas_lacking", "Copies of a stream in the NATS cluster that are offline or behind.", "stream"),
		pending:    desc("events_pending", "Events that no dispatcher has received yet: the consumer's lag."),
		held:       desc("events_held", "Events that dispatchers have received and not acknowledged."),
		oldest:     desc("events_oldest_waiting_seconds", "Age of the oldest event that is not acknowledged, 0 when there is none."),
		connected:  desc("nats_connected", "1 while there is a connection to NATS."),
		reconnects: desc("nats_reconnects_total", "How often the connection to NATS was lost and re-established."),
		publishing: desc("nats_publishes_waiting", "Events that wait to be published together, when NATS_SYNC is always."),
		certificateValidity: desc("nats_certificate_expiry_timestamp_seconds",
			"When the NATS server's certificate expires, in Unix seconds; 0 on a connection without TLS."),
	}
}

// Describe implements prometheus.Collector.
func (c *brokerCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.messages, c.bytes, c.limit, c.stored, c.lacking, c.pending, c.held, c.oldest, c.connected, c.reconnects, c.publishing, c.certificateValidity} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *brokerCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	link := c.broker.Link()
	gauge(c.connected, oneIf(link.Connected))
	counter(c.reconnects, link.Reconnects)
	gauge(c.publishing, float64(link.Publishing))
	gauge(c.certificateValidity, unix(link.CertificateExpires))
	if !link.Connected {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	o, err := c.broker.Overview(ctx)
	if err != nil {
		return // dialnote_part_up says that the broker does not answer
	}
	for _, s := range o.Streams {
		gauge(c.messages, float64(s.Messages), s.Name)
		gauge(c.bytes, float64(s.Bytes), s.Name)
		gauge(c.limit, float64(s.Limit), s.Name)
		counter(c.stored, s.Stored, s.Name)
		gauge(c.lacking, float64(s.Lacking), s.Name)
	}
	gauge(c.pending, float64(o.EventsPending))
	gauge(c.held, float64(o.EventsHeld))
	gauge(c.oldest, c.age(o.OldestWaiting))
}

// age returns the seconds since a time, 0 for the zero time and for one that a
// clock ahead of ours has set.
func (c *brokerCollector) age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, c.now().Sub(since).Seconds())
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
