package egress

import (
	"context"
	"errors"
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

func TestInterleave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want []netip.AddrPort }{
		{targets("1.1.1.1"), targets("1.1.1.1")},
		{targets("1.1.1.1", "::1"), targets("1.1.1.1", "::1")},
		{targets("::1", "::2", "1.1.1.1", "::3", "2.2.2.2"), targets("::1", "1.1.1.1", "::2", "2.2.2.2", "::3")},
		{targets("1.1.1.1", "2.2.2.2", "3.3.3.3", "::1"), targets("1.1.1.1", "::1", "2.2.2.2", "3.3.3.3")},
	} {
		if got := interleave(tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("interleave(%v) = %v, want %v", tt.in, got, tt.want)
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
	deaf  bool     // an attempt that is ended connects all the same
}

func (n *network) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	name := to.Addr().String()
	n.mu.Lock()
	n.order = append(n.order, name)
	n.mu.Unlock()
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

func TestConnectAny(t *testing.T) {
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
		"nobody answers": {
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
				c, err := connectAny(ctx, targets(tt.addrs...), n.connect)
				if !errors.Is(err, tt.err) || (err == nil && c != net.Conn(n.conns[tt.winner])) {
					t.Errorf("connectAny = %v, %v", c, err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				synctest.Wait()
				if !reflect.DeepEqual(n.order, tt.tried) {
					t.Errorf("tried %v, want %v", n.order, tt.tried)
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
		c, err := connectAny(t.Context(), targets("::1", "1.1.1.1"), n.connect)
		if err != nil || c != net.Conn(n.conns["1.1.1.1"]) {
			t.Fatalf("connectAny = %v, %v", c, err)
		}
		synctest.Wait()
		if !n.conns["::1"].closed.Load() || n.conns["1.1.1.1"].closed.Load() {
			t.Fatal("the late connection is open, or the winner closed")
		}
	})
}
