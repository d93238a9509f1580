package e2e_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// The services' clocks are ten days ahead of the database's. They say so, and keep the
// log of what they deliver, though by their own clocks it is older than the retention.
func TestTheDatabasesTimeDecides(t *testing.T) {
	t.Parallel()
	site := pgtest.NewHost(t, pgtest.Options{}).Site(t, "&search_path=public,pg_catalog")
	site.Do(`CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() - interval ''240 hours'''`)
	s := newSystem(t, site.DSN)
	s.broker.start(t)
	s.startAPI(t)
	s.startDispatcher(t)
	for _, p := range []*process{s.api, s.dispatchers[0]} {
		unready(t, p, "clock")
		p.matching(t, `"part":"clock".*240h0m0s ahead of.*NTP`)
		if ahead := metric(t, p, "dialnote_clock_ahead_seconds"); math.Abs(ahead-240*3600) > 5 {
			t.Errorf("%s is %f seconds ahead", p.name, ahead)
		}
	}
	c := s.client(t)
	l := newLedger(s.receiver, c.create(t, s.receiverURL, "/ok/first", event.CallCompleted))
	l.mix = traffic.Mix{Calls: 1}
	s.publish(t, l, c, 1, 20, 0).Wait()
	await(t, "deliveries", func() error { // the receiver, whose clock is the services', finds the signatures old
		if n := l.missing(); n > 0 {
			return fmt.Errorf("%d are missing", n)
		}
		return nil
	})
	l.healthy(t, c)
	db := s.store(t)
	l.logged(t, db)

	s.dispatchers[0].stop(t)
	s.with(map[string]string{"LOG_LEVEL": "debug"})
	s.restartDispatcher(t, 0)
	s.dispatchers[0].matching(t, `"msg":"pruned"`)
	if unlogged := l.logged(t, db); unlogged > 0 || l.duplicates() > 0 {
		t.Errorf("%d requests are not in the log, %d deliveries came twice", unlogged, l.duplicates())
	}
	attempts, err := db.Attempts(t.Context(), organization, l.hooks[0].ID, l.debts()[0].id)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(attempts[0].StartedAt); (age - 240*time.Hour).Abs() > time.Hour {
		t.Errorf("the attempt was made %s ago, by the database's time", age)
	}
}
