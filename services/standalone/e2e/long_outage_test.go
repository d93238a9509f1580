package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// outageSeconds is the variable that says how long the database and the broker
// are away in the tests below; 120 unless set.
const outageSeconds = "E2E_OUTAGE_SECONDS"

// The database is away for minutes: dispatchers go on delivering from their caches,
// and a replica that is started then waits. Afterwards everything is in the log,
// and no process had to be restarted.
func TestTheDatabaseIsAwayForMinutes(t *testing.T) {
	t.Parallel()
	away := time.Duration(number(t, outageSeconds, 120)) * time.Second
	postgres := ownPostgres(t)
	s := newSystem(t, postgres.DSN())
	s.run(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	const rate = 10
	seconds := int(away/time.Second) + 10
	published := s.publishToNATS(t, l, 5, rate*seconds, rate)
	l.reached(t, rate)
	if err := postgres.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.dispatchers {
		unready(t, d, "database")
	}
	late := s.newDispatcher(t) // it finds no database, and waits for it
	idle := watchCPU(t, append(s.dispatchers, s.api, late)...)
	before := s.receiver.Counts("").Requests
	l.reached(t, before+uint64(rate)*uint64(away/time.Second)) // it goes on all the while
	idle(t, away)
	if err := postgres.Resume(); err != nil {
		t.Fatal(err)
	}
	s.dispatchers = append(s.dispatchers, late)
	published.Wait()
	l.settled(t)
	s.ready(t)
	l.healthy(t, c)
	if unlogged := l.logged(t, s.store(t)); l.duplicates() > 0 || unlogged > 0 {
		t.Errorf("%d of %d deliveries came twice, %d requests are not in the log", l.duplicates(), len(l.debts()), unlogged)
	}
}

// The same with the broker, which was killed: publishers wait, no process spins, and
// everything goes on when it is back.
func TestTheBrokerIsAwayForMinutes(t *testing.T) {
	t.Parallel()
	away := time.Duration(number(t, outageSeconds, 120)) * time.Second
	s := startSystem(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)
	published := s.publish(t, l, c, 6, 600, 100)
	l.reached(t, 200)
	sending := s.sending(t)
	s.broker.process.kill(t)
	for _, p := range append(s.dispatchers, s.api) {
		unready(t, p, "nats")
	}
	late := s.newDispatcher(t)
	idle := watchCPU(t, append(s.dispatchers, s.api, late)...)
	<-time.After(away) // what is shown is that nothing happens for that long
	idle(t, away)
	s.broker.start(t)
	s.dispatchers = append(s.dispatchers, late)
	published.Wait()
	l.settled(t)
	s.ready(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), unlogged)
	l.boundDuplicates(t, l.duplicates(), unlogged, sending)
}

// watchCPU begins to watch what processes use. The returned function fails the
// test when one of them has used more than a tenth of a core since, over so
// long a time: it was waiting busily. It also fails when one has ended.
func watchCPU(t *testing.T, watched ...*process) func(t *testing.T, over time.Duration) {
	t.Helper()
	before := make([]time.Duration, len(watched))
	for i, p := range watched {
		before[i] = cpu(t, p)
	}
	return func(t *testing.T, over time.Duration) {
		t.Helper()
		var used []string
		for i, p := range watched {
			if !p.alive() {
				t.Errorf("%s has ended: %v", p.name, p.err)
				continue
			}
			took := cpu(t, p) - before[i]
			used = append(used, fmt.Sprintf("%s %s", p.name, took))
			if took > over/10 {
				t.Errorf("%s used %s of CPU in %s while it had to wait", p.name, took, over)
			}
		}
		t.Logf("CPU used in %s: %s", over, strings.Join(used, ", "))
	}
}

// cpu returns the CPU time that a process has used (proc(5), fields 14 and 15 of
// stat, in hundredths of a second).
func cpu(t *testing.T, p *process) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
