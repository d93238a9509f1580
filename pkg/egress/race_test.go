package egress

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func targets(addrs ...string) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(netip.MustParseAddr(a), 443))
	}
	return out
}

func TestAlternate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ first, second, want []netip.AddrPort }{
		{nil, nil, targets()},
		{targets("1.1.1.1"), nil, targets("1.1.1.1")},
		{nil, targets("1.1.1.1", "2.2.2.2"), targets("1.1.1.1", "2.2.2.2")},
		{targets("1.1.1.1"), targets("::1"), targets("1.1.1.1", "::1")},
		{targets("::1", "::2", "::3"), targets("1.1.1.1", "2.2.2.2"), targets("::1", "1.1.1.1", "::2", "2.2.2.2", "::3")},
		{targets("1.1.1.1", "2.2.2.2", "3.3.3.3"), targets("::1"), targets("1.1.1.1", "::1", "2.2.2.2", "3.3.3.3")},
	} {
		if got := alternate(tt.first, tt.second); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("alternate(%v, %v) = %v, want %v", tt.first, tt.second, got, tt.want)
		}
	}
}

// closing is a connection that tells when it is closed.
type closing struct {
	net.Conn
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

// network plays addresses: after a time each connects or fails.
type network struct {
	after map[string]time.Duration
	fails map[string]error
	conns map[string]*closing
	mu    sync.Mutex
	order []string // of the attempts
	now   int      // attempts under way
	most  int      // of them at any time
	deaf  bool     // an attempt that is ended connects all the same
}

func (n *network) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	name := to.Addr().String()
	n.mu.Lock()
	n.order = append(n.order, name)
	n.now++
	n.most = max(n.most, n.now)
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.now--
		n.mu.Unlock()
	}()
	select {
	case <-time.After(n.after[name]):
	case <-ctx.Done():
		if !n.deaf {
			return nil, ctx.Err()
		}
	}
	if err := n.fails[name]; err != nil {
		return nil, err
	}
	return n.conns[name], nil
}

// many returns so many IPv4 addresses.
func many(n int) (addrs []string) {
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
	}
	return addrs
}

// all gives each of the names the same value.
func all[T any](names []string, value T) map[string]T {
	values := make(map[string]T, len(names))
	for _, name := range names {
		values[name] = value
	}
	return values
}

// merge returns the values of both, b's before a's.
func merge[T any](a, b map[string]T) map[string]T {
	maps.Copy(a, b)
	return a
}

func TestRace(t *testing.T) {
	t.Parallel()
	errA, errB := errors.New("a"), errors.New("b")
	const never = time.Hour
	for name, tt := range map[string]struct {
		network *network
		addrs   []string
		winner  string
		err     error
		took    time.Duration
		tried   []string
	}{
		"one": {
			network: &network{},
			addrs:   []string{"1.1.1.1"}, winner: "1.1.1.1", tried: []string{"1.1.1.1"},
		},
		"the first is quick enough": {
			network: &network{after: map[string]time.Duration{"1.1.1.1": 200 * time.Millisecond}},
			addrs:   []string{"1.1.1.1", "::1"}, winner: "1.1.1.1", took: 200 * time.Millisecond, tried: []string{"1.1.1.1"},
		},
		"the first says nothing": {
			network: &network{after: map[string]time.Duration{"::1": never}},
			addrs:   []string{"::1", "1.1.1.1", "::2"}, winner: "1.1.1.1", took: attemptDelay, tried: []string{"::1", "1.1.1.1"},
		},
		"the first fails at once": {
			network: &network{fails: map[string]error{"::1": errA}},
			addrs:   []string{"::1", "1.1.1.1"}, winner: "1.1.1.1", tried: []string{"::1", "1.1.1.1"},
		},
		"all fail": {
			network: &network{fails: map[string]error{"::1": errA, "1.1.1.1": errB}, after: map[string]time.Duration{"1.1.1.1": time.Second}},
			addrs:   []string{"::1", "1.1.1.1"}, err: errA, took: time.Second, tried: []string{"::1", "1.1.1.1"},
		},
		"nine refuse, the tenth answers": {
			network: &network{fails: all(many(9), errA)},
			addrs:   many(10), winner: "10.0.0.10", tried: many(10),
		},
		"nine say nothing, the tenth answers": {
			network: &network{after: all(many(9), never)},
			addrs:   many(10), winner: "10.0.0.10", took: 9 * attemptDelay, tried: many(10),
		},
		"the last of as many as are tried answers": {
			network: &network{fails: all(many(maxAddresses-1), errA)},
			addrs:   many(maxAddresses), winner: many(maxAddresses)[maxAddresses-1], tried: many(maxAddresses),
		},
		"no more are tried": {
			network: &network{fails: all(many(maxAddresses), errA)},
			addrs:   many(4000), err: errA, tried: many(maxAddresses),
		},
		"no more are tried, when they say nothing": {
			network: &network{after: all(many(4000), never)},
			addrs:   many(4000), err: context.DeadlineExceeded, took: 30 * time.Second, tried: many(maxAddresses),
		},
		"one makes room, and does not say why it failed": {
			network: &network{after: map[string]time.Duration{"10.0.0.1": never}, fails: all(many(9), errB)},
			addrs:   many(9), err: errB, took: 30 * time.Second, tried: many(9),
		},
		"a slow one has time for as many delays as there are tries at once": {
			network: &network{after: merge(all(many(maxAtOnce+2), never), map[string]time.Duration{"10.0.0.1": maxAtOnce*attemptDelay - time.Millisecond})},
			addrs:   many(maxAtOnce + 2), winner: "10.0.0.1", took: maxAtOnce*attemptDelay - time.Millisecond, tried: many(maxAtOnce),
		},
		"no address answers": {
			network: &network{after: map[string]time.Duration{"::1": never, "1.1.1.1": never}},
			addrs:   []string{"::1", "1.1.1.1"}, err: context.DeadlineExceeded, took: 30 * time.Second, tried: []string{"::1", "1.1.1.1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := tt.network
				n.conns = map[string]*closing{}
				for _, a := range tt.addrs {
					n.conns[a] = &closing{}
				}
				ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
				defer stop()
				start := time.Now()
				c, err := (&race{connect: n.connect, waiting: targets(tt.addrs...)}).run(ctx)
				if !errors.Is(err, tt.err) || (err == nil && c != net.Conn(n.conns[tt.winner])) {
					t.Errorf("run = %v, %v", c, err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				synctest.Wait()
				if !reflect.DeepEqual(n.order, tt.tried) {
					t.Errorf("tried %v, want %v", n.order, tt.tried)
				}
				if n.most > maxAtOnce+1 || n.now != 0 { // one more while one is ending
					t.Errorf("%d at once, %d are left", n.most, n.now)
				}
			})
		})
	}
}

func TestLateConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			deaf:  true,
			after: map[string]time.Duration{"::1": time.Hour},
			conns: map[string]*closing{"::1": {}, "1.1.1.1": {}},
		}
		c, err := (&race{connect: n.connect, waiting: targets("::1", "1.1.1.1")}).run(t.Context())
		if err != nil || c != net.Conn(n.conns["1.1.1.1"]) {
			t.Fatalf("run = %v, %v", c, err)
		}
		synctest.Wait()
		if !n.conns["::1"].closed.Load() || n.conns["1.1.1.1"].closed.Load() {
			t.Fatal("the late connection is open, or the winner closed")
		}
	})
}

// Addresses that come while others are tried are tried too.
func TestRaceWithALaterFamily(t *testing.T) {
	t.Parallel()
	errA, errBlocked, errLookup := errors.New("a"), errors.New("blocked"), errors.New("lookup")
	const never = time.Hour
	for name, tt := range map[string]struct {
		network *network
		addrs   []string
		later   []string      // of the other family; none is that its lookup fails
		comes   time.Duration // of these
		winner  string
		err     error
		took    time.Duration
		tried   []string
	}{
		"the known one answers first": {
			network: &network{after: map[string]time.Duration{"1.1.1.1": 100 * time.Millisecond}},
			addrs:   []string{"1.1.1.1"}, later: []string{"::1"}, comes: never, winner: "1.1.1.1", took: 100 * time.Millisecond, tried: []string{"1.1.1.1"},
		},
		"the known one says nothing": {
			network: &network{after: map[string]time.Duration{"1.1.1.1": never}},
			addrs:   []string{"1.1.1.1"}, later: []string{"::1"}, comes: 3 * time.Second, winner: "::1", took: 3 * time.Second, tried: []string{"1.1.1.1", "::1"},
		},
		"they come within the delay": {
			network: &network{after: map[string]time.Duration{"1.1.1.1": never}},
			addrs:   []string{"1.1.1.1"}, later: []string{"::1"}, comes: time.Millisecond, winner: "::1", took: attemptDelay, tried: []string{"1.1.1.1", "::1"},
		},
		"the known one failed": {
			network: &network{fails: map[string]error{"1.1.1.1": errA}},
			addrs:   []string{"1.1.1.1"}, later: []string{"::1"}, comes: lateFamily / 2, winner: "::1", took: lateFamily / 2, tried: []string{"1.1.1.1", "::1"},
		},
		"the known one failed, and the other comes too late": {
			network: &network{fails: map[string]error{"1.1.1.1": errA}},
			addrs:   []string{"1.1.1.1"}, later: []string{"::1"}, comes: 2 * lateFamily, err: errA, took: lateFamily, tried: []string{"1.1.1.1"},
		},
		"they alternate with those that wait": {
			network: &network{after: merge(all(many(4), never), all([]string{"::1", "::2"}, time.Duration(never)))},
			addrs:   many(5), later: []string{"::1", "::2"}, comes: attemptDelay + 1, winner: "10.0.0.5", took: 6 * attemptDelay,
			tried: []string{"10.0.0.1", "10.0.0.2", "::1", "10.0.0.3", "::2", "10.0.0.4", "10.0.0.5"},
		},
		"one of them is not allowed": {
			network: &network{after: map[string]time.Duration{"1.1.1.1": never}},
			addrs:   []string{"1.1.1.1", "2.2.2.2"}, later: []string{"::1", "::bad"}, comes: time.Millisecond, err: errBlocked, took: time.Millisecond, tried: []string{"1.1.1.1"},
		},
		"their lookup fails": {
			network: &network{fails: map[string]error{"1.1.1.1": errA}},
			addrs:   []string{"1.1.1.1"}, comes: time.Millisecond, err: errA, took: time.Millisecond, tried: []string{"1.1.1.1"},
		},
		"they come when as many as may be have been tried": {
			network: &network{fails: all(many(maxAddresses), errA), after: all(many(maxAddresses), time.Millisecond)},
			addrs:   many(maxAddresses), later: []string{"::1"}, comes: time.Second, err: errA, took: time.Second, tried: many(maxAddresses),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := tt.network
				n.conns = map[string]*closing{}
				for _, a := range append(tt.addrs, tt.later...) {
					n.conns[a] = &closing{}
				}
				later := make(chan family, 1)
				ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
				defer stop()
				go func() {
					select {
					case <-time.After(tt.comes):
						found := family{err: errLookup}
						for _, a := range tt.later {
							found = family{addrs: append(found.addrs, netip.MustParseAddr(a))}
						}
						later <- found
					case <-ctx.Done():
						later <- family{err: ctx.Err()}
					}
				}()
				judge := func(found []netip.Addr) ([]netip.AddrPort, error) {
					var allowed []netip.AddrPort
					for _, a := range found {
						if a == netip.MustParseAddr("::bad") {
							return nil, errBlocked
						}
						allowed = append(allowed, netip.AddrPortFrom(a, 443))
					}
					return allowed, nil
				}
				start := time.Now()
				c, err := (&race{connect: n.connect, waiting: targets(tt.addrs...), later: later, judge: judge}).run(ctx)
				if !errors.Is(err, tt.err) || (err == nil && c != net.Conn(n.conns[tt.winner])) {
					t.Errorf("run = %v, %v", c, err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				if !reflect.DeepEqual(n.order, tt.tried) {
					t.Errorf("tried %v, want %v", n.order, tt.tried)
				}
			})
		})
	}
}
