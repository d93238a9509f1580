package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
)

// stopsWithin is what the chart allows for a stop.
const stopsWithin = 60 * time.Second

// Postgres is frozen: it keeps its connections and says nothing. Services that are
// told to stop do, within the time that an orchestrator allows; what was sent and not
// recorded by then is sent again.
func TestServicesStopWhileTheDatabaseIsFrozen(t *testing.T) {
	t.Parallel()
	postgres := ownPostgres(t)
	s := newSystem(t, postgres.DSN())
	s.with(map[string]string{"DELIVERY_TIMEOUT": "5s"})
	s.run(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)
	published := s.publishToNATS(t, l, 8, 200, 50)
	l.reached(t, 50)

	thaw := freeze(t, postgres)
	for _, p := range append(s.dispatchers, s.api) {
		isUnready(t, p)
	}
	began := time.Now()
	for _, p := range append(s.dispatchers, s.api) {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range append(s.dispatchers, s.api) {
		select {
		case <-p.ended:
			t.Logf("%s ended after %s: %v", p.name, time.Since(began), p.err)
		case <-time.After(stopsWithin - time.Since(began)):
			t.Errorf("%s goes on %s after it was told to stop", p.name, time.Since(began))
		}
	}
	thaw()
	published.Wait()
	s.startAPI(t)
	s.restartDispatcher(t, 0)
	s.restartDispatcher(t, 1)
	l.settled(t)
	s.ready(t)
	l.healthy(t, s.client(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log", len(l.debts()), l.duplicates(), l.logged(t, s.store(t)))
}

// freeze stops all processes of a server where they are, and returns what lets them
// go on.
func freeze(t *testing.T, c *pgtest.Cluster) (thaw func()) {
	t.Helper()
	server, err := c.PID()
	if err != nil {
		t.Fatal(err)
	}
	all := append([]int{server}, childrenOf(t, server)...)
	signal := func(s syscall.Signal) {
		for _, pid := range all {
			if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Error(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			signal(syscall.SIGCONT)
		}
	}
	t.Cleanup(thaw)
	return thaw
}

// childrenOf returns the processes whose parent a process is (proc(5), field 4 of
// stat).
func childrenOf(t *testing.T, parent int) (children []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, pid)
		}
	}
	return children
}
