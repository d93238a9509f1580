package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go" //nolint:depguard // reads the streams as an operator would

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/stream/publish"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// The passwords of the users in deploy/nats.
const (
	publisherPassword  = "publisher-password-0123456789"
	dispatcherPassword = "dispatcher-password-0123456789"
	apiPassword        = "api-password-0123456789"
	operatorPassword   = "operator-password-0123456789"
)

// underPermissions returns a running system on a server as deploy/nats ships
// it, each service with its own user.
func underPermissions(t *testing.T) *system {
	t.Helper()
	config, err := filepath.Abs("../../../deploy/nats/nats-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, pgtest.Schema(t))
	s.broker.config = config
	s.broker.env = map[string]string{
		"NATS_STORE_DIR":          filepath.Join(s.broker.dir, "data"),
		"NATS_PUBLISHER_PASSWORD": publisherPassword, "NATS_NOTICES_PASSWORD": "notices-password-0123456789",
		"NATS_CONFIG_API_PASSWORD": apiPassword, "NATS_DISPATCHER_PASSWORD": dispatcherPassword, "NATS_OPERATOR_PASSWORD": operatorPassword,
	}
	s.own = map[string]map[string]string{
		"config-api": {"NATS_USER": "config-api", "NATS_PASSWORD": apiPassword},
		"dispatcher": {"NATS_USER": "dispatcher", "NATS_PASSWORD": dispatcherPassword},
	}
	s.with(map[string]string{"ZAPIER_HOSTS": "127.0.0.1:*", "NATS_SYNC": "always"})
	s.run(t, 2)
	return s
}

// publishAs publishes a call as a platform service that has a publisher's
// permissions.
func (s *system) publishAs(t *testing.T) func(id string) {
	t.Helper()
	p, err := publish.Open(publish.Options{
		URL: s.broker.url(), Service: "calls", Security: stream.Security{User: "publisher", Password: publisherPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return func(id string) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		if err := p.PublishJSON(ctx, event.Sample(event.CallCompleted, organization, id, time.Now()).Body()); err != nil {
			t.Fatalf("publish %s: %v", id, err)
		}
	}
}

// Everything that the system does, with the permissions that we ship and no
// more.
func TestTheSystemUnderTheShippedPermissions(t *testing.T) {
	t.Parallel()
	s := underPermissions(t)
	c := s.client(t)
	publish := s.publishAs(t)
	changes, followed := watch(t, c, "changes", "event: delivery"), watch(t, c, "events", "event: event")

	// An event of a publisher's, and one that came by HTTP, to three webhooks.
	plain := c.create(t, s.receiverURL, "/plain", event.CallCompleted)
	s.receiver.Set("/pending", receiver.Statuses(http.StatusServiceUnavailable))
	pending := c.create(t, s.receiverURL, "/pending", event.CallCompleted)
	s.receiver.Set("/picky", receiver.Statuses(http.StatusBadRequest, http.StatusOK))
	picky := c.create(t, s.receiverURL, "/picky", event.CallCompleted)
	var inOrder hook
	c.call(t, http.MethodPost, organization+"/webhooks", map[string]any{
		"name": "In order", "provider": "custom", "url": s.receiverURL + "/ordered", "event": "call.completed", "ordered": true,
	}, http.StatusCreated, &inOrder)
	publish("evt_1")
	c.call(t, http.MethodPost, organization+"/events", map[string]any{
		"id": "evt_2", "type": "call.completed",
		"data": map[string]any{"callSid": "CA2", "direction": "inbound", "phoneNumber": "+15551234567", "status": "completed", "duration": 1},
	}, http.StatusAccepted, nil)
	arrive := func(path string, n uint64) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		if err := s.receiver.WaitCount(ctx, path, n); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	arrive("/plain", 2)
	arrive("/ordered", 2)
	arrive("/picky", 3) // the first was refused and is tried again, by schedule
	heldBecome(t, c, pending.ID, 2)
	<-changes // the watcher has received it
	<-followed

	// The hold ends with a probe, and the lane is drained.
	s.receiver.Set("/pending", nil)
	await(t, "the lane", func() error {
		if h := c.hook(t, pending.ID); h.FailureCount != 0 || h.HeldEvents != 0 {
			return fmt.Errorf("%+v", h)
		}
		return nil
	})

	// A test, a redelivery, a recovery.
	var test struct{ Outcome string }
	c.call(t, http.MethodPost, organization+"/webhooks/"+plain.ID+"/test", nil, http.StatusOK, &test)
	arrive("/plain", 3)
	var log struct {
		Data []struct{ ID, EventID, Status string }
	}
	await(t, "the log", func() error {
		c.call(t, http.MethodGet, organization+"/webhooks/"+plain.ID+"/deliveries?eventId=evt_1", nil, http.StatusOK, &log)
		if len(log.Data) != 1 || log.Data[0].Status != "delivered" {
			return fmt.Errorf("%+v", log.Data)
		}
		return nil
	})
	c.call(t, http.MethodPost, organization+"/webhooks/"+plain.ID+"/deliveries/"+log.Data[0].ID+"/redeliver", nil, http.StatusAccepted, nil)
	arrive("/plain", 4)
	late := c.create(t, s.receiverURL, "/late", event.CallCompleted)
	var recovery struct{ ID, Status string }
	c.call(t, http.MethodPost, organization+"/webhooks/"+late.ID+"/recoveries", map[string]any{
		"since": time.Now().Add(-time.Hour),
	}, http.StatusAccepted, &recovery)
	arrive("/late", 2)
	c.remove(t, picky.ID)

	// A DELETE tells Zapier that one of its webhooks was deleted here.
	var zap hook
	c.call(t, http.MethodPost, organization+"/webhooks", map[string]string{
		"name": "A Zap", "provider": "zapier", "url": s.receiverURL + "/zap", "event": "note.created",
	}, http.StatusCreated, &zap)
	c.remove(t, zap.ID)
	arrive("/zap", 1)
	s.connected(t, c, "evt_2")

	operator := nats.UserInfo("operator", operatorPassword)
	await(t, "the notice", func() error {
		if n := natstest.Stored(t, s.broker.url(), proto.StreamNotices, operator); len(n) < 2 {
			return fmt.Errorf("%d notices", len(n)) // of the deletion and of the recovery
		}
		return nil
	})
	if waiting := natstest.Stored(t, s.broker.url(), proto.StreamLanes, operator); len(waiting) != 0 {
		t.Errorf("%d deliveries wait", len(waiting))
	}
	// And what operators ask of config-api.
	rejected := start(t, "rejected", s.settingsOf("config-api"), t.TempDir(), "config-api", "rejected", "list")
	if <-rejected.ended; rejected.err != nil {
		t.Errorf("config-api rejected list: %v\n%s", rejected.err, rejected.log.tail(10))
	}
	for _, p := range append(slices.Clone(s.dispatchers), s.api) {
		lines, _, _ := p.log.from(0)
		for _, line := range lines {
			if strings.Contains(strings.ToLower(line), "permissions violation") {
				t.Errorf("%s was refused something: %s", p.name, line)
			}
		}
		if troubles := p.log.troubles(); len(troubles) > 0 {
			t.Errorf("%s: %v", p.name, troubles)
		}
		p.stop(t)
	}
}

// watch follows a stream of the organization and returns a channel that is closed
// when this line arrives.
func watch(t *testing.T, c *client, path, line string) <-chan struct{} {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/v1/organizations/"+organization+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("watching answered %d", res.StatusCode)
	}
	told := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() == line {
				close(told)
				return
			}
		}
	}()
	return told
}
