package e2e_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// kind is a sort of fault.
type kind string

// The faults of a storm.
const (
	dispatcherKilled    kind = "dispatcher killed"
	dispatcherFrozen    kind = "dispatcher frozen"
	dispatcherRestarted kind = "dispatcher restarted in order"
	apiKilled           kind = "config API killed"
	apiFrozen           kind = "config API frozen"
	apiRestarted        kind = "config API restarted in order"
	nodeKilled          kind = "NATS node killed"
	nodeFrozen          kind = "NATS node frozen"
	nodesKilled         kind = "two NATS nodes killed: no majority"
	nodeFull            kind = "NATS node's disk full"
	databaseCrashed     kind = "Postgres crashed"
	databaseStopped     kind = "Postgres stopped"
	networkCut          kind = "connections cut and refused"
	networkSilent       kind = "connections silent"
	networkSlow         kind = "connections slow"
)

// trouble describes a kind of fault.
type trouble struct {
	kind        kind
	weight      int           // how often, against the others
	least, most time.Duration // how long
	targets     int
}

// The parts of a storm's system.
const (
	stormDispatchers = 3
	stormAPIs        = 2
	stormNodes       = 3
)

// troubles returns the faults there are. Those of NATS come one at a time: a
// cluster of three bears one loss, and more only where that is the point.
func troubles(disks bool) []trouble {
	services := stormDispatchers + stormAPIs + 1 // and the publisher
	list := []trouble{
		{dispatcherKilled, 8, 0, 5 * time.Second, stormDispatchers},
		{dispatcherFrozen, 4, time.Second, 25 * time.Second, stormDispatchers},
		{dispatcherRestarted, 3, 4 * time.Second, 10 * time.Second, stormDispatchers},
		{apiKilled, 3, 0, 5 * time.Second, stormAPIs},
		{apiFrozen, 2, time.Second, 15 * time.Second, stormAPIs},
		{apiRestarted, 2, 5 * time.Second, 10 * time.Second, stormAPIs},
		{nodeKilled, 3, 2 * time.Second, 20 * time.Second, stormNodes},
		{nodeFrozen, 3, 2 * time.Second, 20 * time.Second, stormNodes},
		{nodesKilled, 1, 5 * time.Second, 15 * time.Second, stormNodes},
		{databaseCrashed, 2, time.Second, 5 * time.Second, 1},
		{networkCut, 4, time.Second, 15 * time.Second, 2 * services},
		{networkSilent, 4, 2 * time.Second, 20 * time.Second, 2 * services},
		{networkSlow, 4, 5 * time.Second, 20 * time.Second, 2 * services},
	}
	if disks {
		list = append(list, trouble{nodeFull, 1, 10 * time.Second, 20 * time.Second, stormNodes})
	}
	return list
}

// strike is one fault of a storm.
type strike struct {
	kind   kind
	target int
	at     time.Duration // after the storm's beginning
	lasts  time.Duration
}

// String returns the strike in words.
func (s strike) String() string {
	return fmt.Sprintf("%7s %s (%d) for %s", s.at.Round(100*time.Millisecond), s.kind, s.target, s.lasts.Round(100*time.Millisecond))
}

// planStorm returns what happens in a storm of so long: the same for the same
// seed. Postgres is stopped once, for a minute when there is time for it; every
// other fault comes by chance, and at least once when there are five minutes or
// more. All are over when the storm is.
func planStorm(seed uint64, long time.Duration, disks bool) []strike {
	chance := rand.New(rand.NewPCG(seed, 1))
	p := &planner{chance: chance, long: long}
	stopped := min(time.Minute, long/5)
	p.add(trouble{databaseStopped, 0, stopped, stopped, 1}, long/3+time.Duration(chance.Int64N(int64(long/6))))
	all := troubles(disks)
	if long >= 5*time.Minute {
		for _, s := range all {
			p.add(s, time.Duration(chance.Int64N(int64(long*8/10))))
		}
	}
	total := 0
	for _, s := range all {
		total += s.weight
	}
	const pause = 4 * time.Second // from one fault to the next, about
	for at := 2 * time.Second; at < long; at += time.Duration(chance.ExpFloat64() * float64(pause)) {
		n := chance.IntN(total)
		for _, s := range all {
			if n -= s.weight; n < 0 {
				p.add(s, at)
				break
			}
		}
	}
	slices.SortStableFunc(p.strikes, func(a, b strike) int { return cmp.Compare(a.at, b.at) })
	return p.strikes
}

// planner adds strikes that do not meet at the same target.
type planner struct {
	chance  *rand.Rand
	long    time.Duration
	strikes []strike
}

func (p *planner) add(s trouble, at time.Duration) {
	st := strike{kind: s.kind, target: p.chance.IntN(s.targets), at: at}
	st.lasts = s.least + time.Duration(p.chance.Int64N(int64(s.most-s.least)+1))
	st.lasts = min(st.lasts, p.long/5)
	if st.at+st.lasts > p.long {
		return
	}
	for _, other := range p.strikes {
		if meet(st, other) {
			return
		}
	}
	p.strikes = append(p.strikes, st)
}

// meet reports whether two strikes would be at one target at one time, with a
// moment between them for it to come back. NATS and Postgres are one target
// each.
func meet(a, b strike) bool {
	const moment = 2 * time.Second
	if a.at > b.at+b.lasts+moment || b.at > a.at+a.lasts+moment || groupOf(a.kind) != groupOf(b.kind) {
		return false
	}
	whole := groupOf(a.kind) == "nats" || groupOf(a.kind) == "postgres"
	return whole || a.target == b.target || groupOf(a.kind) == "network" && a.wayOf() == b.wayOf()
}

// wayOf returns which way a strike at the network spoils: each service has two,
// to NATS and to Postgres, and the publisher, who comes last, has one.
func (s strike) wayOf() int { return min(s.target, 2*(stormDispatchers+stormAPIs)) }

// groupOf returns which targets a kind of fault shares with others.
func groupOf(k kind) string {
	switch k {
	case dispatcherKilled, dispatcherFrozen, dispatcherRestarted:
		return "dispatcher"
	case apiKilled, apiFrozen, apiRestarted:
		return "api"
	case databaseCrashed, databaseStopped:
		return "postgres"
	case networkCut, networkSilent, networkSlow:
		return "network"
	default:
		return "nats"
	}
}

func TestAStormIsTheSameForItsSeed(t *testing.T) {
	t.Parallel()
	const long = 15 * time.Minute
	for seed := range uint64(50) {
		one, two := planStorm(seed, long, true), planStorm(seed, long, true)
		if !slices.Equal(one, two) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		kinds := map[kind]int{}
		for i, s := range one {
			kinds[s.kind]++
			if s.at < 0 || s.at+s.lasts > long {
				t.Errorf("seed %d: %s does not end in time", seed, s)
			}
			for _, other := range one[:i] {
				together := s.at < other.at+other.lasts && other.at < s.at+s.lasts
				if together && groupOf(s.kind) == groupOf(other.kind) && (s.target == other.target || groupOf(s.kind) == "nats" || groupOf(s.kind) == "network" && s.wayOf() == other.wayOf()) {
					t.Errorf("seed %d: %s meets %s", seed, s, other)
				}
			}
		}
		if len(one) < 80 || kinds[databaseStopped] != 1 {
			t.Errorf("seed %d: %d strikes, Postgres stopped %d times", seed, len(one), kinds[databaseStopped])
		}
	}
	if slices.Equal(planStorm(1, long, true), planStorm(2, long, true)) {
		t.Error("two seeds give one plan")
	}
}
