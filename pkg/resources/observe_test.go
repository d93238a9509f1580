package resources_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
)

// broker is a Broker with fixed results.
type broker struct {
	overview stream.Overview
	err      error
	link     stream.Link
}

func (b *broker) Overview(context.Context) (stream.Overview, error) { return b.overview, b.err }
func (b *broker) Link() stream.Link                                 { return b.link }

type pooled store.Pool

func (p pooled) Pool() store.Pool { return store.Pool(p) }

func TestBrokerAndDatabaseAsMetrics(t *testing.T) {
	t.Parallel()
	b := &broker{
		overview: stream.Overview{
			Streams:       []stream.StreamLevel{{Name: "DIALNOTE_EVENTS", Messages: 3, Bytes: 900, Limit: 1000, Stored: 12, Lacking: 1}},
			EventsPending: 2, EventsHeld: 1, OldestWaiting: time.Now().Add(-time.Hour),
		},
		link: stream.Link{Connected: true, Reconnects: 2, Publishing: 7, CertificateExpires: time.Unix(1_800_000_000, 0)},
	}
	registry := prometheus.NewRegistry()
	if err := resources.Observe(registry, b, pooled{InUse: 3, Idle: 1, Limit: 20, Waits: 5, Waited: 1500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	got := series(t, registry)
	if age := got["events_oldest_waiting_seconds"]; age < 3600 || age > 3700 {
		t.Errorf("the oldest event is %v seconds old", age)
	}
	delete(got, "events_oldest_waiting_seconds")
	if want := map[string]float64{
		"stream_messages{DIALNOTE_EVENTS}": 3, "stream_bytes{DIALNOTE_EVENTS}": 900, "stream_limit_bytes{DIALNOTE_EVENTS}": 1000, "stream_stored_total{DIALNOTE_EVENTS}": 12, "stream_replicas_lacking{DIALNOTE_EVENTS}": 1,
		"events_pending": 2, "events_held": 1,
		"nats_connected": 1, "nats_reconnects_total": 2, "nats_publishes_waiting": 7, "nats_certificate_expiry_timestamp_seconds": 1_800_000_000,
		"database_connections{idle}": 1, "database_connections{in_use}": 3, "database_connections_limit": 20,
		"database_waits_total": 5, "database_wait_seconds_total": 1.5,
	}; !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	b.overview.OldestWaiting = time.Time{}
	if age := series(t, registry)["events_oldest_waiting_seconds"]; age != 0 {
		t.Errorf("without an event it is %v seconds old", age)
	}
}

func TestABrokerThatIsAwayShowsOnlyItsLink(t *testing.T) {
	t.Parallel()
	b := &broker{err: errors.New("away"), link: stream.Link{Connected: true}}
	registry := prometheus.NewRegistry()
	if err := resources.Observe(registry, b, pooled{}); err != nil {
		t.Fatal(err)
	}
	if got := series(t, registry); len(got) != 4+5 || got["nats_connected"] != 1 {
		t.Errorf("got %v", got)
	}
	b.link.Connected = false
	if got := series(t, registry); len(got) != 4+5 || got["nats_connected"] != 0 {
		t.Errorf("got %v", got)
	}
}

// series returns the values by the name, without its prefix, and the label's
// value.
func series(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), "dialnote_")
			for _, l := range m.GetLabel() {
				name += "{" + l.GetValue() + "}"
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}
