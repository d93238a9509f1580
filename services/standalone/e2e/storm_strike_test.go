package e2e_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// storm carries a plan out on a site.
type storm struct {
	*site

	strikes map[kind]int
	allowed int      // deliveries that may arrive twice: in progress when their replica was struck
	alone   []string // processes that ended by themselves
	revived int      // NATS servers that a supervisor restarted because they reported to be unhealthy
}

// rage carries the plan out. It repairs only what an orchestrator would: it starts
// a process that was killed, and restarts a NATS server that reports for ten seconds
// that it is unhealthy.
func (s *storm) rage(t *testing.T, plan []strike, long time.Duration) {
	t.Helper()
	type due struct {
		at time.Duration
		do func()
	}
	var ends []due
	began := time.Now()
	watch := time.NewTicker(2 * time.Second)
	defer watch.Stop()
	for len(plan) > 0 || len(ends) > 0 || time.Since(began) < long {
		next := long
		if len(plan) > 0 {
			next = min(next, plan[0].at)
		}
		for _, e := range ends {
			next = min(next, e.at)
		}
		timer := time.NewTimer(time.Until(began.Add(next)))
		select {
		case <-watch.C:
			s.supervise(t)
		case <-timer.C:
		}
		timer.Stop()
		now := time.Since(began)
		rest := ends[:0]
		for _, e := range ends {
			if e.at > now {
				rest = append(rest, e)
				continue
			}
			e.do()
		}
		ends = rest
		if len(plan) > 0 && plan[0].at <= now {
			t.Logf("%s", plan[0])
			s.strikes[plan[0].kind]++
			ends = append(ends, due{max(plan[0].at+plan[0].lasts, now), s.begin(t, plan[0])})
			plan = plan[1:]
		}
	}
}

// supervise does what an orchestrator does.
func (s *storm) supervise(t *testing.T) {
	t.Helper()
	const patient = 5 // health checks, two seconds apart
	for _, n := range s.nodes {
		if n.struck || n.lives() {
			n.unwell = 0
			continue
		}
		if n.unwell++; n.unwell >= patient {
			t.Logf("%s is unhealthy: restarting it", n.name)
			if n.process.alive() {
				n.process.kill(t)
			}
			n.start(t)
			s.revived++
			s.allowed += s.allHeld()
		}
	}
	for _, v := range s.services {
		if !v.down && !v.process.alive() {
			s.alone = append(s.alone, fmt.Sprintf("%s: %v\n%s", v.process.name, v.process.err, v.process.log.tail(5)))
			v.start(t)
		}
	}
}

// allHeld returns how many deliveries all dispatchers have in their hands.
func (s *storm) allHeld() (n int) {
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for _, v := range s.services[:stormDispatchers] {
		all.Go(func() {
			held := v.held()
			mu.Lock()
			defer mu.Unlock()
			n += held
		})
	}
	all.Wait()
	return n
}

// begin begins a fault and returns what ends it.
func (s *storm) begin(t *testing.T, st strike) (end func()) {
	t.Helper()
	switch groupOf(st.kind) {
	case "dispatcher":
		s.allowed += s.services[st.target].held()
		return s.strikeService(t, s.services[st.target], st.kind)
	case "api":
		return s.strikeService(t, s.services[stormDispatchers+st.target], st.kind)
	case "postgres":
		return s.strikeDatabase(t, st.kind)
	case "network":
		return s.strikeNetwork(t, st)
	default:
		s.allowed += s.allHeld()
		return s.strikeNode(t, st)
	}
}

func (s *storm) strikeService(t *testing.T, v *service, k kind) (end func()) {
	t.Helper()
	v.down = true
	switch k {
	case dispatcherFrozen, apiFrozen:
		v.signal(t, syscall.SIGSTOP)
		return func() { v.signal(t, syscall.SIGCONT); v.down = false }
	case dispatcherRestarted, apiRestarted:
		v.signal(t, syscall.SIGTERM)
		return func() {
			if v.process.alive() { // it had its time
				s.allowed += v.held()
				v.process.kill(t)
			}
			v.start(t)
		}
	default:
		v.process.kill(t)
		return func() { v.start(t) }
	}
}

func (s *storm) strikeDatabase(t *testing.T, k kind) (end func()) {
	t.Helper()
	stop := s.postgres.Pause
	if k == databaseCrashed {
		stop = s.postgres.Crash
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := s.postgres.Resume(); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *storm) strikeNode(t *testing.T, st strike) (end func()) {
	t.Helper()
	n, next := s.nodes[st.target], s.nodes[(st.target+1)%len(s.nodes)]
	n.struck = true
	switch st.kind {
	case nodeFrozen:
		_ = n.process.cmd.Process.Signal(syscall.SIGSTOP)
		return func() { _ = n.process.cmd.Process.Signal(syscall.SIGCONT); n.struck = false }
	case nodeFull:
		empty := n.fill(t)
		return func() { empty(); n.struck = false }
	case nodesKilled:
		next.struck = true
		n.process.kill(t)
		next.process.kill(t)
		return func() {
			n.start(t)
			next.start(t)
			n.struck, next.struck = false, false
		}
	default:
		n.process.kill(t)
		return func() { n.start(t); n.struck = false }
	}
}

func (s *storm) strikeNetwork(t *testing.T, st strike) (end func()) {
	t.Helper()
	who, to := "publisher", "nats"
	if i := st.target / 2; i < len(s.services) {
		who = s.services[i].name
		if st.target%2 == 1 {
			to = "postgres"
		}
		if i < stormDispatchers {
			s.allowed += s.services[i].held()
		}
	}
	way := who + " to " + to
	t.Logf("        %s", way)
	switch st.kind {
	case networkCut:
		return s.network.cut(way)
	case networkSilent:
		return s.network.spoil(way, "timeout", `{"timeout":0}`)
	default:
		return s.network.spoil(way, "latency", `{"latency":80,"jitter":60}`)
	}
}

// arrivals are when each delivery was first answered with 2xx.
type arrivals struct {
	mu    sync.Mutex
	first map[string]time.Time
}

func newArrivals() *arrivals { return &arrivals{first: map[string]time.Time{}} }

func (a *arrivals) note(r receiver.Request) {
	if r.Status < 200 || r.Status > 299 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, seen := a.first[r.DeliveryID]; !seen {
		a.first[r.DeliveryID] = r.At
	}
}

// of returns when a delivery first arrived.
func (a *arrivals) of(deliveryID string) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, seen := a.first[deliveryID]
	return at, seen
}
