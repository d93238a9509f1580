package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// An upgrade under load, and back, one replica after the other: from the version
// before to the present one, and from the present one to one with a further
// migration. Nothing is lost, sent twice, or refused.
func TestUpgradeAndDowngrade(t *testing.T) {
	t.Parallel()
	t.Run("from the version before", func(t *testing.T) {
		t.Parallel()
		before, missing := previousVersion(t)
		if missing != "" {
			t.Logf("NOT SHOWN HERE: %s. The other half of this test is, and CI shows both.", missing)
			return
		}
		roll(t, before, present())
	})
	t.Run("to a version with a further migration", func(t *testing.T) {
		t.Parallel()
		roll(t, present(), nextVersion(t))
	})
}

// fleet is a system of which each replica may be of another version.
type fleet struct {
	*system

	front       *front
	customerURL string // of a receiver of the customer's own
	apis        []*process
	versions    map[*process]version // of the config APIs
	dispatchers []*process
	forgives    bool // a version is among them whose dispatchers refuse tests while they stop
}

// roll runs a system of one version under load, replaces each replica by one of
// the next version, and then goes back.
func roll(t *testing.T, older, newer version) {
	t.Helper()
	s := newSystem(t, pgtest.Schema(t))
	s.with(map[string]string{"RETRY_SCHEDULE": "200ms,200ms,300ms,300ms,400ms,400ms,500ms,500ms,500ms,500ms"})
	s.broker.start(t)
	_, customerURL := newReceiver(t)
	f := &fleet{system: s, front: newFront(), customerURL: customerURL, apis: make([]*process, 2), dispatchers: make([]*process, 3), forgives: !older.drains, versions: map[*process]version{}}
	for i := range f.apis {
		f.api(t, i, older)
	}
	for i := range f.dispatchers {
		f.dispatcher(t, i, older)
	}
	c := newClient(t, "http://"+f.apis[0].listening(t, "HTTP_ADDR"), serviceToken)
	flaky := c.create(t, s.receiverURL, "/flaky/0.05?seed=7", event.NoteCreated)
	flaky.path = "/flaky/0.05"
	var ordered hook
	c.call(t, http.MethodPost, organization+"/webhooks", map[string]any{
		"name": "In order", "provider": "custom", "url": s.receiverURL + "/ok/ordered", "event": "note.created", "ordered": true,
	}, http.StatusCreated, &ordered)
	ordered.path = "/ok/ordered"
	l := newLedger(s.receiver, append(allTypes(t, c, s.receiverURL), flaky, ordered)...)
	end := f.underLoad(t, l)

	l.reached(t, 500)
	for _, step := range []version{newer, older} {
		before := s.receiver.Counts("").Requests
		f.dispatcher(t, 0, step)
		f.api(t, 0, step)
		f.dispatcher(t, 1, step)
		f.api(t, 1, step)
		f.dispatcher(t, 2, step)
		l.reached(t, s.receiver.Counts("").Requests+200)
		t.Logf("all replicas are of %s; %d requests meanwhile", step.name, s.receiver.Counts("").Requests-before)
	}
	end()
	l.settled(t)
	c = newClient(t, "http://"+f.apis[0].listening(t, "HTTP_ADDR"), serviceToken)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	if l.duplicates() > 0 || unlogged > 0 {
		t.Errorf("an upgrade in order repeated %d deliveries and left %d requests out of the log", l.duplicates(), unlogged)
	}
}

// api puts a config API of a version in the place of the one that is there: it
// gets no new requests, is asked to stop, and the other is in service when it is
// ready.
func (f *fleet) api(t *testing.T, i int, v version) {
	t.Helper()
	if old := f.apis[i]; old != nil {
		f.front.remove("http://"+old.listening(t, "HTTP_ADDR"), !f.versions[old].drains)
		old.stop(t)
	}
	f.started++
	f.apis[i] = start(t, fmt.Sprintf("config-api %d of %s", f.started, v.name), f.settingsOf("config-api"), t.TempDir(), v.program("config-api"))
	f.versions[f.apis[i]] = v
	ready(t, f.apis[i])
	f.front.add("http://" + f.apis[i].listening(t, "HTTP_ADDR"))
}

// dispatcher puts a dispatcher of a version in the place of the one that is
// there.
func (f *fleet) dispatcher(t *testing.T, i int, v version) {
	t.Helper()
	if old := f.dispatchers[i]; old != nil {
		old.stop(t)
	}
	f.started++
	f.dispatchers[i] = start(t, fmt.Sprintf("dispatcher %d of %s", f.started, v.name), f.settingsOf("dispatcher"), t.TempDir(), v.program("dispatcher"))
	ready(t, f.dispatchers[i])
}

// underLoad publishes events, half through the API and half straight to NATS,
// and uses the API as a customer does, until end is called, which fails the test
// when anything was refused.
func (f *fleet) underLoad(t *testing.T, l *ledger) (end func()) {
	t.Helper()
	const rate = 100
	conn := f.connect(t)
	events := traffic.New(traffic.Options{Seed: 10, Organization: organization})
	var (
		over      atomic.Bool
		all       sync.WaitGroup
		published load.Report
		uses      int
		publish   error
		use       error
	)
	all.Go(func() {
		for !over.Load() {
			report, err := load.Run(context.Background(), inTurn{f.front, conn}, load.Plan{
				Count: rate / 2, Rate: rate, Concurrency: 16, Next: events.Next, Accepted: l.accept,
			})
			published.Accepted += report.Accepted
			if publish == nil {
				publish = errors.Join(err, report.FirstError)
			}
		}
	})
	all.Go(func() {
		for ; !over.Load(); uses++ {
			if err := f.useAPI(uses); use == nil && err != nil {
				use = fmt.Errorf("round %d: %w", uses, err)
			}
		}
	})
	finish := sync.OnceFunc(func() {
		over.Store(true)
		all.Wait()
	})
	t.Cleanup(finish)
	return func() {
		t.Helper()
		finish()
		t.Logf("%d events published and %d rounds of the API, the first ones refused: %v, %v", published.Accepted, uses, publish, use)
		if publish != nil {
			t.Errorf("an event was refused: %v", publish)
		}
		if use != nil {
			t.Errorf("the API refused something: %v", use)
		}
	}
}

// useAPI does what a customer does, and returns what was not answered as it
// should be. Each request may go to another version.
func (f *fleet) useAPI(round int) error {
	const webhooks = "customer/webhooks"
	var made struct{ ID, Name string }
	err := f.front.do(http.MethodPost, webhooks, map[string]string{
		"name": "Round " + strconv.Itoa(round), "provider": "custom", "url": f.customerURL + "/ok", "event": "call.completed",
	}, http.StatusCreated, &made)
	if err != nil {
		return err
	}
	one := webhooks + "/" + made.ID
	var tested struct{ Status, Message string }
	if err := f.front.do(http.MethodPost, one+"/test", nil, http.StatusOK, &tested); err != nil {
		if f.forgives && strings.Contains(err.Error(), "no-dispatcher") {
			return f.front.do(http.MethodDelete, one, nil, http.StatusNoContent, nil)
		}
		return err
	}
	if tested.Status != "delivered" {
		return fmt.Errorf("the test %s: %s", tested.Status, tested.Message)
	}
	if err := f.front.do(http.MethodPatch, one, map[string]string{"name": "Renamed"}, http.StatusOK, &made); err != nil || made.Name != "Renamed" {
		return errors.Join(err, fmt.Errorf("it is named %q", made.Name))
	}
	for _, path := range []string{webhooks, one, one + "/deliveries", one + "/stats", "customer/audit-log"} {
		if err := f.front.do(http.MethodGet, path, nil, http.StatusOK, nil); err != nil {
			return err
		}
	}
	return f.front.do(http.MethodDelete, one, nil, http.StatusNoContent, nil)
}
