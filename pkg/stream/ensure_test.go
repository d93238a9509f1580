package stream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// A server that is short of space refuses even an update that changes nothing. So
// streams that are as they should be are not touched.
func TestUnchangedStreamsAreNotUpdated(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	mine := topology()
	mine.Installation, mine.FirstEvent = "01MINE", 1000
	if err := c.Ensure(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	advisories, err := nc.SubscribeSync("$JS.EVENT.ADVISORY.STREAM.>")
	if err != nil {
		t.Fatal(err)
	}
	mine.FirstEvent = 2000
	if err := c.Ensure(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	mine.Retention = 2 * time.Hour
	if err := c.Ensure(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for {
		msg, err := advisories.NextMsg(200 * time.Millisecond)
		if err != nil {
			break
		}
		seen[msg.Subject]++
	}
	for _, name := range []string{proto.StreamEvents, proto.StreamLanes, proto.StreamRejected, proto.StreamNotices} {
		if n := seen["$JS.EVENT.ADVISORY.STREAM.UPDATED."+name]; n != 1 {
			t.Errorf("%s was updated %d times for one change: %v", name, n, seen)
		}
	}
}

// What an operator has changed by hand is set right again.
func TestAnEditedStreamIsSetRight(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	srv.Edit(t, proto.StreamLanes, func(cfg *natstest.StreamConfig) { cfg.MaxMsgs, cfg.MaxAge = 10, 10*time.Minute })
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	if kept := srv.Kept(t, proto.StreamLanes); kept != topology().Retention {
		t.Errorf("lanes are kept for %s", kept)
	}
	srv.Edit(t, proto.StreamLanes, func(cfg *natstest.StreamConfig) {
		if cfg.MaxMsgs != -1 {
			t.Errorf("lanes hold at most %d", cfg.MaxMsgs)
		}
	})
}

// A sequence is never given twice: the stream that is made anew begins above the one
// that is gone.
func TestAnEventStreamThatIsMadeAnewBeginsAbove(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	var last uint64
	for range 2 {
		mine := topology()
		mine.FirstEvent = stream.FirstSequence(time.Now())
		if err := c.Ensure(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		next, err := c.NextSequence(t.Context())
		if err != nil || next <= last || next != mine.FirstEvent {
			t.Errorf("the first event has sequence %d, after %d; %v", next, last, err)
		}
		if err := c.Publish(t.Context(), sample(t, "evt_once")); err != nil {
			t.Fatal(err)
		}
		o, err := c.Overview(t.Context())
		if err != nil || o.Streams[0].Stored != 1 {
			t.Errorf("%+v, %v: want one event", o.Streams, err)
		}
		last = next
		natstest.DeleteStream(t, srv.ClientURL(), proto.StreamEvents)
	}
}

// The shared consumer is made anew where the dispatchers were, and not at the
// beginning of the retention.
func TestTheSharedConsumerIsMadeAnewWhereItWas(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	events, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	pull := func(acknowledge bool) (ids []string, again stream.Redelivered) {
		_, err := events.Pull(t.Context(), 1, time.Second, func(m *stream.Message) {
			e, err := m.Event()
			if err != nil {
				t.Error(err)
			}
			ids, again = append(ids, e.ID), m.Redelivered
			if acknowledge {
				if err := m.Ack(); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
		return ids, again
	}
	for _, id := range []string{"evt_done", "evt_open"} {
		if err := c.Publish(t.Context(), sample(t, id)); err != nil {
			t.Fatal(err)
		}
		pull(id == "evt_done")
	}
	await(t, func() bool { // notes how far they are
		handled, err := c.Handled(t.Context(), webhook.Webhook{OrganizationID: "acme"})
		return err == nil && handled == 1 && c.Serving(t.Context()) == nil
	})
	natstest.DeleteConsumer(t, srv.ClientURL(), proto.StreamEvents, events.Name)
	if err := c.Serving(t.Context()); err == nil {
		t.Error("without the shared consumer it is ready")
	}
	if _, err := events.Pull(t.Context(), 1, time.Second, func(*stream.Message) {}); err == nil {
		t.Error("a consumer that is gone was pulled")
	}
	for range 2 {
		if err := c.Ensure(t.Context(), topology()); err != nil {
			t.Fatal(err)
		}
	}
	if ids, again := pull(true); len(ids) != 1 || ids[0] != "evt_open" || again == stream.NotRedelivered {
		t.Errorf("pulled %v, %v; want what was open, as coming again", ids, again)
	}
}

func TestStreamsOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	c := connect(t, natstest.Start(t))
	of := func(installation string) error {
		mine := topology()
		mine.Installation = installation
		return c.Ensure(t.Context(), mine)
	}
	if err := of(""); err != nil { // as an earlier version made them
		t.Fatal(err)
	}
	for range 2 {
		if err := of("01MINE"); err != nil {
			t.Fatal(err)
		}
	}
	if err := of("01OTHER"); !errors.As(err, new(*stream.ForeignStreamsError)) {
		t.Errorf("another installation: %v", err)
	}
	if err := c.Adopt(t.Context(), "01OTHER"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(of("01OTHER"), of("")); err != nil {
		t.Error(err)
	}
	if err := of("01MINE"); !errors.As(err, new(*stream.ForeignStreamsError)) {
		t.Errorf("the first installation, after the streams were taken over: %v", err)
	}
}
