package e2e_test

import (
	"net/http"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

func TestServicesStartTogetherOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	const rounds = 4
	for round := range rounds {
		s := newSystem(t, pgtest.Schema(t))
		s.broker.start(t)
		s.startAPI(t)
		s.startDispatcher(t)
		s.startDispatcher(t)
		second := start(t, "second config-api", s.settings, t.TempDir(), "config-api")
		s.ready(t)
		ready(t, second)
		s.delivers(t)
		for _, p := range append(s.dispatchers, s.api, second) {
			p.stop(t)
			if troubles := p.log.troubles(); len(troubles) > 0 {
				t.Errorf("round %d: %s complains: %q", round, p.name, troubles)
			}
		}
	}
}

func TestServicesWaitForTheBroker(t *testing.T) {
	t.Parallel()
	s := newSystem(t, pgtest.Schema(t))
	s.startAPI(t)
	s.startDispatcher(t)
	unready(t, s.api, "nats")
	unready(t, s.dispatchers[0], "nats")
	s.client(t).call(t, http.MethodGet, organization+"/webhooks", nil, http.StatusServiceUnavailable, nil)

	s.broker.start(t)
	s.ready(t)
	s.delivers(t)
}

func TestServicesWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	postgres := ownPostgres(t)
	s := newSystem(t, postgres.DSN())
	if err := postgres.Pause(); err != nil {
		t.Fatal(err)
	}
	s.broker.start(t)
	s.startAPI(t)
	s.startDispatcher(t)
	unready(t, s.api, "database")
	unready(t, s.dispatchers[0], "database")

	if err := postgres.Resume(); err != nil {
		t.Fatal(err)
	}
	s.ready(t)
	s.delivers(t)
}

// delivers checks that an event goes all the way.
func (s *system) delivers(t *testing.T) {
	t.Helper()
	c := s.client(t)
	l := newLedger(s.receiver, c.create(t, s.receiverURL, "/ok/first", event.CallCompleted))
	l.mix = traffic.Mix{Calls: 1}
	s.publish(t, l, c, 1, 2, 0).Wait()
	l.settled(t)
	l.healthy(t, c)
}
