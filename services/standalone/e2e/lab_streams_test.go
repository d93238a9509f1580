package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/proto"
)

// An operator deletes what the services made on NATS, or NATS comes back with an
// empty store. What is missing is made anew without a restart, and every event that
// is accepted from then on is delivered once: to an ordered webhook too, which began
// at a sequence of the stream that is gone.
func TestStreamsThatAreGoneAreMadeAgain(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 2)
	c := s.client(t)
	var ordered hook
	c.call(t, http.MethodPost, organization+"/webhooks", map[string]any{
		"name": "In order", "provider": "custom", "url": s.receiverURL + "/ok/ordered", "event": "note.created", "ordered": true,
	}, http.StatusCreated, &ordered)
	ordered.path = "/ok/ordered"
	l := newLedger(s.receiver, append(allTypes(t, c, s.receiverURL), ordered)...)
	const events = 40
	seed := uint64(100)
	delivers := func(t *testing.T) {
		t.Helper()
		seed++
		s.publish(t, l, c, seed, events, 0).Wait()
		l.settled(t)
	}
	delivers(t)
	shared := fmt.Sprintf("dispatchers-1-%d", proto.Partition(organization, 8))
	for _, gone := range []struct {
		name   string
		remove func()
		says   string
	}{
		{"the shared consumer", func() { natstest.DeleteConsumer(t, s.broker.url(), proto.StreamEvents, shared) }, "consumer " + shared + " of stream " + proto.StreamEvents},
		{"the event stream", func() { natstest.DeleteStream(t, s.broker.url(), proto.StreamEvents) }, "stream " + proto.StreamEvents},
		{"the stream of the lanes", func() { natstest.DeleteStream(t, s.broker.url(), proto.StreamLanes) }, "stream " + proto.StreamLanes},
		{"the whole store", func() {
			s.broker.process.kill(t)
			if err := os.RemoveAll(filepath.Join(s.broker.dir, "data")); err != nil {
				t.Fatal(err)
			}
			s.broker.start(t)
		}, ""},
	} {
		gone.remove()
		s.ready(t)
		delivers(t)
		l.healthy(t, c)
		if all := s.said(); gone.says != "" && !strings.Contains(all, `"missing":"`+gone.says+`"`) {
			t.Errorf("%s: nothing says that it was made again", gone.name)
		}
		t.Logf("%s: all of %d deliveries, %d duplicates", gone.name, len(l.debts()), l.duplicates())
	}
	if l.duplicates() > 0 {
		t.Errorf("%d deliveries came twice", l.duplicates())
	}
}

// said returns what the services have logged.
func (s *system) said() string {
	var all []string
	for _, p := range append(s.dispatchers, s.api) {
		lines, _, _ := p.log.from(0)
		all = append(all, lines...)
	}
	return strings.Join(all, "\n")
}

// A second installation, with a database of its own, is pointed at the NATS server of
// the first: it takes no event, and says what to do. When its database is to replace
// the first one's, the operator says so.
func TestASecondInstallationIsRefused(t *testing.T) {
	t.Parallel()
	first := startSystem(t, 1)
	c := first.client(t)
	l := newLedger(first.receiver, first.onlyHook(t, c))

	second := *first
	second.settings = first.settingsOf("")
	second.settings["DATABASE_URL"] = pgtest.Schema(t)
	for _, program := range []string{"config-api", "dispatcher"} {
		p := start(t, "second "+program, second.settings, t.TempDir(), program)
		p.fails(t, "belongs to another installation", "config-api adopt", "a NATS server or an account of its own")
	}
	first.publish(t, l, c, 7, 50, 0).Wait()
	l.settled(t)

	first.dispatchers[0].stop(t)
	first.api.stop(t)
	adopt := start(t, "adopt", second.settings, t.TempDir(), "config-api", "adopt")
	adopt.matching(t, `the streams belong to installation (\S+),`)
	third := start(t, "dispatcher of the second", second.settings, t.TempDir(), "dispatcher")
	ready(t, third)
	refused := start(t, "dispatcher of the first", first.settings, t.TempDir(), "dispatcher")
	refused.fails(t, "belongs to another installation")
}

// onlyHook makes one webhook.
func (s *system) onlyHook(t *testing.T, c *client) hook {
	t.Helper()
	h := c.create(t, s.receiverURL, "/ok/only", event.CallCompleted)
	h.path = "/ok/only"
	return h
}
