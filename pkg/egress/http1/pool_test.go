package http1

import (
	"net"
	"slices"
	"testing"
	"time"
)

// kept returns n connections that a pool keeps for a key, in the order in which
// they became idle.
func kept(t *testing.T, pool *Pool, key Key, n int) []*Conn {
	t.Helper()
	all := make([]*Conn, n)
	for i := range all {
		all[i], _ = connect(t, pool, key, answers(ok))
		if _, err := send(t, all[i], post()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// closed waits until the other side of a connection sees its end.
func closed(t *testing.T, c *Conn) {
	t.Helper()
	_, _ = c.stream.Read(make([]byte, 1)) // returns when the connection is closed
}

func TestTheLastUsedIsTakenFirst(t *testing.T) {
	t.Parallel()
	pool := newPool()
	all := kept(t, pool, acme, 3)
	for i, c := range slices.Backward(all) {
		if pool.Take(acme) != c {
			t.Errorf("not the %dth", i)
		}
	}
	if pool.Take(acme) != nil {
		t.Error("taken twice")
	}
}

// A connection is for one organization and one server.
func TestKeysAreApart(t *testing.T) {
	t.Parallel()
	pool := newPool()
	kept(t, pool, acme, 1)
	for _, other := range []Key{
		{Organization: "globex", Host: acme.Host},
		{Organization: "acme", Host: acme.Host, Secure: true},
		{Organization: "acme", Host: acme.Host + ":8443"},
		{Host: acme.Host},
	} {
		if pool.Take(other) != nil {
			t.Errorf("%+v takes the connection of %+v", other, acme)
		}
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	pool := NewPool(3, 2, time.Minute)
	globex := Key{Organization: "globex", Host: acme.Host}
	first := kept(t, pool, acme, 3)
	if pool.Take(acme) != first[2] || pool.Take(acme) != first[1] || pool.Take(acme) != nil {
		t.Error("not the two that were used last are kept")
	}
	closed(t, first[0])

	first = kept(t, pool, acme, 2)
	kept(t, pool, globex, 2)
	if n := pool.Idle(); n != 3 {
		t.Errorf("%d are idle, want 3", n)
	}
	if pool.Take(acme) != first[1] || pool.Take(acme) != nil {
		t.Error("not the one that was idle for longest was closed")
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	pool := newPool()
	all := kept(t, pool, acme, 2)
	all[0].idleSince = all[0].idleSince.Add(-pool.idleTime)
	pool.sweep()
	closed(t, all[0])
	if pool.Idle() != 1 || pool.sweeper == nil {
		t.Errorf("%d are idle, want the younger one", pool.Idle())
	}
	all[1].idleSince = all[1].idleSince.Add(-pool.idleTime)
	pool.sweep()
	closed(t, all[1])
	if pool.Idle() != 0 || pool.sweeper != nil || len(pool.idle) != 0 {
		t.Errorf("%d are idle, sweeper %v", pool.Idle(), pool.sweeper)
	}
	last := kept(t, pool, acme, 1)
	pool.Close()
	closed(t, last[0])
}

// BenchmarkPool is what it costs to take an idle connection and to keep it again.
func BenchmarkPool(b *testing.B) {
	pool := newPool()
	near, _ := net.Pipe()
	for range 8 {
		pool.put(pool.NewConn(&pipe{Conn: near}, acme))
	}
	b.ReportAllocs()
	for b.Loop() {
		pool.put(pool.Take(acme))
	}
}
