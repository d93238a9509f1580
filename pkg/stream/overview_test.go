package stream_test

import (
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

func overview(t *testing.T, c *stream.Conn) stream.Overview {
	t.Helper()
	o, err := c.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOverview(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	if o := overview(t, c); o.EventsPending != 0 || o.EventsHeld != 0 || !o.OldestWaiting.IsZero() || len(o.Streams) != 5 {
		t.Errorf("at the start: %+v", o)
	}
	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		if err := c.Publish(t.Context(), sample(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var taken []*stream.Message
	if _, err := events.Pull(t.Context(), 2, 10*time.Second, func(m *stream.Message) { taken = append(taken, m) }); err != nil {
		t.Fatal(err)
	}
	o := overview(t, c)
	if o.EventsPending != 1 || o.EventsHeld != 2 || !o.OldestWaiting.Equal(taken[0].Stored) {
		t.Errorf("two of three were taken, the first at %s: %+v", taken[0].Stored, o)
	}
	if s := o.Streams[0]; s.Name != proto.StreamEvents || s.Messages != 3 || s.Stored != 3 || s.Bytes == 0 {
		t.Errorf("the stream of events: %+v", s)
	}
	// The oldest is the one before which everything is acknowledged.
	for i, want := range []time.Time{taken[1].Stored, {}} {
		if err := taken[i].Ack(); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool {
			o := overview(t, c)
			if i == 0 {
				return o.EventsHeld == 1 && o.OldestWaiting.Equal(want)
			}
			return o.EventsHeld == 0 && o.OldestWaiting.After(taken[1].Stored)
		})
	}
}

func TestOverviewOfABrokerThatIsAway(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if _, err := c.Overview(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without streams: %v", err)
	}
	if l := c.Link(); !l.Connected || l.Reconnects != 0 || !l.CertificateExpires.IsZero() {
		t.Errorf("the link is %+v", l)
	}
	srv.Stop()
	await(t, func() bool { return !c.Link().Connected })
	srv.Restart(t)
	await(t, func() bool { l := c.Link(); return l.Connected && l.Reconnects == 1 })
}

func TestLinkKnowsWhenTheServersCertificateExpires(t *testing.T) {
	t.Parallel()
	ca := newCertificate(t, nil)
	cert := newCertificate(t, ca)
	addr := serveNATS(t, &server.Options{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert.pair(t)}}, TLSTimeout: 20})
	c, err := stream.Connect(stream.Settings{
		URL: "nats://" + addr, Security: stream.Security{CAFile: write(t, "ca.pem", ca.certPEM)},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	await(t, func() bool { return c.Link().Connected })
	if got := c.Link().CertificateExpires; !got.Equal(cert.cert.NotAfter) {
		t.Errorf("it expires %s, want %s", got, cert.cert.NotAfter)
	}
}
