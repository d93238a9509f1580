package stream_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/stream/publish"
	"github.com/dialnote/webhooks/proto"
)

// shipped runs the server as deploy/nats ships it, with its users' names as
// their passwords. It sets the environment, so the tests run one by one.
func shipped(t *testing.T) *natstest.Server {
	t.Helper()
	for _, user := range []string{"PUBLISHER", "NOTICES", "CONFIG_API", "DISPATCHER", "OPERATOR"} {
		t.Setenv("DIALNOTE_NATS_"+user+"_PASSWORD", "password-of-"+user)
	}
	t.Setenv("DIALNOTE_NATS_STORE_DIR", t.TempDir())
	return natstest.StartFrom(t, "../../deploy/nats/nats-server.conf")
}

func securityOf(user string) stream.Security {
	return stream.Security{User: user, Password: "password-of-" + strings.ToUpper(strings.ReplaceAll(user, "-", "_"))}
}

func connectAs(t *testing.T, srv *natstest.Server, user string) *stream.Conn {
	t.Helper()
	c, err := stream.Connect(stream.Settings{
		URL: srv.ClientURL(), Name: user, Inbox: "_INBOX_" + user, Security: securityOf(user),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// intruder is a client with a service's credentials that goes beyond them.
type intruder struct {
	*nats.Conn

	refused chan error
}

func newIntruder(t *testing.T, srv *natstest.Server, user string) *intruder {
	t.Helper()
	security, refused := securityOf(user), make(chan error, 100)
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo(security.User, security.Password), nats.CustomInboxPrefix("_INBOX_"+user),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return &intruder{nc, refused}
}

// isRefused waits until the server refuses the last action.
func (i *intruder) isRefused(t *testing.T, what string) {
	t.Helper()
	select {
	case err := <-i.refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(2 * time.Minute):
		t.Errorf("%s is allowed", what)
	}
}

func TestPublishersOnlyPublish(t *testing.T) {
	srv := shipped(t)
	api := connectAs(t, srv, "config-api")
	if err := api.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	publisher, err := publish.Open(publish.Options{URL: srv.ClientURL(), Service: "calls", Security: securityOf("publisher")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(publisher.Close)
	e := sample(t, "evt_1")
	if err := publisher.PublishJSON(t.Context(), e.Body()); err != nil {
		t.Fatal(err)
	}

	i := newIntruder(t, srv, "publisher")
	for _, subject := range []string{
		">", "dialnote.>", "dialnote.events.>", "dialnote.events.acme.>", "dialnote.lanes.*", "dialnote.activity.*", "dialnote.webhooks.>",
		"_INBOX.>", "_INBOX_config-api.>", "_INBOX_dispatcher.>", "$JS.>", "$SRV.>", "$SYS.>", "dialnote.tests",
	} {
		if _, err := i.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		i.isRefused(t, "subscribing to "+subject)
	}
	for _, subject := range []string{
		"dialnote.lanes.wh_1", "dialnote.retries.wh_1.dlv_1", "dialnote.rejected.acme", "dialnote.notices.acme.deleted", "dialnote.tests",
		"dialnote.webhooks.changed.acme", "dialnote.webhooks.heartbeat.x", "dialnote.events", "dialnote.events.acme",
		"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.PURGE.DIALNOTE_EVENTS", "$JS.API.STREAM.DELETE.DIALNOTE_EVENTS",
		"$JS.API.STREAM.UPDATE.DIALNOTE_EVENTS", "$JS.API.STREAM.MSG.GET.DIALNOTE_EVENTS", "$JS.API.DIRECT.GET.DIALNOTE_EVENTS",
		"$JS.API.STREAM.MSG.DELETE.DIALNOTE_EVENTS", "$JS.API.CONSUMER.CREATE.DIALNOTE_EVENTS.x", "$JS.API.CONSUMER.MSG.NEXT.DIALNOTE_EVENTS.dispatchers",
		"$JS.ACK.DIALNOTE_EVENTS.dispatchers.1.1.1.1.1", "_INBOX_dispatcher.x",
	} {
		if err := i.PublishRequest(subject, "_INBOX_publisher.x", nil); err != nil {
			t.Fatal(err)
		}
		i.isRefused(t, "publishing to "+subject)
	}
	if n := len(srv.StoredAs(t, securityOperator(), proto.StreamEvents)); n != 1 {
		t.Errorf("%d events are stored, want 1", n)
	}
}

func securityOperator() nats.Option {
	s := securityOf("operator")
	return nats.UserInfo(s.User, s.Password)
}

// The server answers a publisher at the subject that the publisher names. One
// that names a lane, or a subject of the server's own, must not write there.
func TestAcknowledgementsGoNowhereElse(t *testing.T) {
	srv := shipped(t)
	api := connectAs(t, srv, "config-api")
	if err := api.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	i := newIntruder(t, srv, "publisher")
	for _, reply := range []string{
		proto.SubjectLane("wh_1"), proto.SubjectRetry("wh_1", "dlv_1"), proto.SubjectNotice("acme", "deleted"), proto.SubjectRejected("acme"),
		proto.SubjectEvent("other", "call.completed"), "$JS.API.STREAM.PURGE.DIALNOTE_EVENTS", "$JS.API.STREAM.DELETE.DIALNOTE_LANES",
	} {
		if err := i.PublishRequest(proto.SubjectEvent("acme", "call.completed"), reply, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// One more, with an answer that can be seen: the others have been answered.
	if _, err := i.Request(proto.SubjectEvent("acme", "call.completed"), []byte("x"), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{proto.StreamEvents: 8, proto.StreamLanes: 0, proto.StreamNotices: 0, proto.StreamRejected: 0} {
		if n := len(srv.StoredAs(t, securityOperator(), name)); n != want {
			t.Errorf("%s holds %d messages, want %d", name, n, want)
		}
	}
}

// The services too have only the permissions that they need.
func TestServicesArePermittedWhatTheyNeed(t *testing.T) {
	srv := shipped(t)
	if err := connectAs(t, srv, "dispatcher").Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	for user, denied := range map[string]struct{ subscribe, publish []string }{
		"config-api": {
			[]string{">", "dialnote.events.>", "dialnote.lanes.*", "_INBOX_dispatcher.>", "_INBOX_publisher.>"},
			[]string{"dialnote.retries.wh_1.dlv_1", "dialnote.activity.acme", "$JS.API.STREAM.MSG.DELETE.DIALNOTE_EVENTS", "$JS.API.STREAM.DELETE.DIALNOTE_EVENTS", "$JS.API.STREAM.PURGE.DIALNOTE_EVENTS"},
		},
		"dispatcher": {
			[]string{">", "dialnote.events.>", "dialnote.lanes.*", "_INBOX_config-api.>"},
			[]string{"dialnote.events.acme.call.completed", "$JS.API.STREAM.DELETE.DIALNOTE_EVENTS", "$JS.API.STREAM.PURGE.DIALNOTE_EVENTS"},
		},
		"notices": {
			[]string{">", "dialnote.notices.>", "dialnote.events.>", "_INBOX_config-api.>"},
			[]string{"dialnote.notices.acme.deleted", "dialnote.events.acme.call.completed", "dialnote.lanes.wh_1", "$JS.API.CONSUMER.CREATE.DIALNOTE_EVENTS.x", "$JS.API.STREAM.MSG.GET.DIALNOTE_EVENTS"},
		},
	} {
		i := newIntruder(t, srv, user)
		for _, subject := range denied.subscribe {
			if _, err := i.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			i.isRefused(t, user+" subscribing to "+subject)
		}
		for _, subject := range denied.publish {
			if err := i.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			i.isRefused(t, user+" publishing to "+subject)
		}
	}
}

// A dispatcher may count what the streams keep, and remove an event over a quota.
func TestADispatcherMayCount(t *testing.T) {
	srv := shipped(t)
	c := connectAs(t, srv, "dispatcher")
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	if err := connectAs(t, srv, "config-api").Publish(t.Context(), sample(t, "evt_over")); err != nil {
		t.Fatal(err)
	}
	shared, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	_, err = shared.Pull(t.Context(), 1, 20*time.Second, func(m *stream.Message) {
		if err := c.RejectOver(t.Context(), m, quota.Events, "over the quota"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(stream.EventStreams(), proto.StreamRejected) {
		sizes := c.Sizes(name)
		if list, err := sizes.Next(t.Context(), 0, 1, 20*time.Second); err != nil || len(list) != 1 {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		sizes.Close(t.Context())
	}
	if err := c.RemoveEvent(t.Context(), proto.StreamEvents, 1); err != nil {
		t.Error(err)
	}
	if n := len(srv.StoredAs(t, securityOperator(), proto.StreamEvents)); n != 0 {
		t.Errorf("%d events are kept", n)
	}
}

func TestAConnectionNeedsCredentials(t *testing.T) {
	srv := shipped(t)
	for _, opts := range [][]nats.Option{nil, {nats.UserInfo("publisher", "guess")}, {nats.UserInfo("absent", "password-of-PUBLISHER")}} {
		if nc, err := nats.Connect(srv.ClientURL(), opts...); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("connected: %v", err)
			if nc != nil {
				nc.Close()
			}
		}
	}
}
