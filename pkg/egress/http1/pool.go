package http1

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

// Key is what a connection is kept for: only requests of the same organization to
// the same server share one.
type Key struct {
	Organization string
	Secure       bool   // over TLS
	Host         string // of the URL, with its port unless that is the scheme's own
}

// Pool keeps idle connections for reuse, the one that was used last first. It is
// safe for concurrent use.
type Pool struct {
	max, maxPerKey int
	idleTime       time.Duration

	mu      sync.Mutex
	idle    map[Key][]*Conn // the longest idle first
	order   *list.List      // of all idle connections, the longest idle first
	sweeper *time.Timer     // set while any is idle
}

// NewPool returns a pool that keeps at most maxIdle idle connections, at most
// maxIdlePerKey of them for one key, each for idleTime after its last answer.
func NewPool(maxIdle, maxIdlePerKey int, idleTime time.Duration) *Pool {
	return &Pool{max: maxIdle, maxPerKey: maxIdlePerKey, idleTime: idleTime, idle: make(map[Key][]*Conn), order: list.New()}
}

// Take takes the idle connection that was used last, nil when there is none. Its
// server may have ended it meanwhile: RoundTrip then returns ErrNotIdle.
func (p *Pool) Take(key Key) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle[key]); n > 0 {
		return p.remove(key, n-1)
	}
	return nil
}

// Idle returns how many connections are idle.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order.Len()
}

// Close closes the idle connections. Those in use return to the pool later.
func (p *Pool) Close() {
	for _, c := range p.expired(time.Now().Add(time.Hour)) {
		c.Close()
	}
}

// remove takes out a key's ith idle connection. The lock is held.
func (p *Pool) remove(key Key, i int) *Conn {
	all := p.idle[key]
	c := all[i]
	if all = slices.Delete(all, i, i+1); len(all) == 0 {
		delete(p.idle, key)
	} else {
		p.idle[key] = all
	}
	p.order.Remove(c.element)
	c.element = nil
	return c
}

// put keeps a connection for reuse. When that makes too many, the one that has
// been idle for longest is closed.
func (p *Pool) put(c *Conn) {
	c.reused, c.idleSince = true, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var surplus *Conn
	switch {
	case len(p.idle[c.key]) >= p.maxPerKey:
		surplus = p.remove(c.key, 0)
	case p.order.Len() >= p.max:
		surplus = p.oldest()
	}
	p.idle[c.key] = append(p.idle[c.key], c)
	c.element = p.order.PushBack(c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(p.idleTime, p.sweep)
	}
	if surplus != nil {
		go surplus.Close()
	}
}

// oldest takes out the connection that has been idle for longest, which is the
// first of its key's too. The lock is held, and there is one.
func (p *Pool) oldest() *Conn {
	return p.remove(p.order.Front().Value.(*Conn).key, 0) //nolint:forcetypeassert // the list holds connections only
}

// sweep closes what has been idle for too long.
func (p *Pool) sweep() {
	for _, c := range p.expired(time.Now().Add(-p.idleTime)) {
		c.Close()
	}
}

// expired takes out the connections that have been idle since before a time.
func (p *Pool) expired(before time.Time) (expired []*Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.order.Len() > 0 {
		next := p.order.Front().Value.(*Conn).idleSince //nolint:forcetypeassert // the list holds connections only
		if next.After(before) {
			p.sweeper = time.AfterFunc(next.Sub(before), p.sweep)
			return expired
		}
		expired = append(expired, p.oldest())
	}
	p.sweeper = nil
	return expired
}
