package egress

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// attemptDelay is how long an address is given before the next one is tried
	// beside it (RFC 8305, section 5).
	attemptDelay = 250 * time.Millisecond

	// maxAtOnce bounds the addresses that are tried beside each other, and with
	// them the sockets of one attempt. One that has said nothing for so many delays
	// makes room for the next.
	maxAtOnce = 8

	// maxAddresses bounds the addresses that are tried for one connection: a name's
	// owner can publish thousands.
	maxAddresses = 64

	// lateFamily is how long the addresses of a family that the name server has not
	// answered yet are waited for when every other address has failed.
	lateFamily = time.Second
)

// alternate returns addresses of two families so that these alternate, beginning
// with the first list and keeping the order within each (RFC 8305, section 4).
func alternate(first, second []netip.AddrPort) []netip.AddrPort {
	mixed := make([]netip.AddrPort, 0, len(first)+len(second))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}

type connectFunc func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// race connects to the first of a name's addresses that answers. The next one is
// tried when one fails, or has not answered within attemptDelay.
type race struct {
	connect connectFunc
	waiting []netip.AddrPort // to be tried, in this order

	// later gets the other family's addresses once they are known; nil when all
	// are. judge returns them as they are to be tried, or the error with which the
	// race ends, because one of them is not allowed.
	later <-chan family
	judge func([]netip.Addr) ([]netip.AddrPort, error)

	running []*try // in the order in which they began
	began   int
	results chan *try // holds as many as may begin, so that none waits for a reader
	first   error     // of the first address that failed
}

// try is the connecting to one address.
type try struct {
	stop    context.CancelFunc
	stopped bool // it made room for another one
	conn    net.Conn
	err     error
}

// run returns the connection. When every address fails it returns the error of
// the first that did; when one that came later is not allowed, judge's. Tries
// that are under way end, and their connections are closed.
func (r *race) run(ctx context.Context) (net.Conn, error) {
	if len(r.waiting) == 1 && r.later == nil {
		return r.connect(ctx, r.waiting[0])
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.results = make(chan *try, maxAddresses)
	defer func() { go closeLate(r.results, len(r.running)) }()
	next := time.NewTimer(0)
	defer next.Stop()
	due := false                // next has fired, and no address waited
	var enough <-chan time.Time // when the later family has been waited for
	for {
		if len(r.waiting)+len(r.running) == 0 {
			switch {
			case r.later == nil:
				return nil, r.first
			case enough == nil:
				enough = time.After(lateFamily)
			}
		}
		select {
		case <-next.C:
			if due = len(r.waiting) == 0; !due {
				r.begin(ctx)
				next.Reset(attemptDelay)
			}
		case t := <-r.results:
			if t.err == nil {
				r.running = slices.DeleteFunc(r.running, func(other *try) bool { return other == t })
				return t.conn, nil
			}
			if r.failed(t) {
				next.Reset(0)
			}
		case found := <-r.later:
			if err := r.add(found); err != nil {
				return nil, err
			}
			if due {
				next.Reset(0)
			}
		case <-enough:
			return nil, r.first
		}
	}
}

// begin tries the next address.
func (r *race) begin(ctx context.Context) {
	to := r.waiting[0]
	if r.waiting = r.waiting[1:]; r.began == maxAddresses-1 {
		r.waiting = nil
	}
	r.began++
	if len(r.running) >= maxAtOnce {
		if i := slices.IndexFunc(r.running, func(t *try) bool { return !t.stopped }); i >= 0 {
			r.running[i].stopped = true
			r.running[i].stop()
		}
	}
	ctx, stop := context.WithCancel(ctx)
	t := &try{stop: stop}
	r.running = append(r.running, t)
	go func() {
		defer stop()
		t.conn, t.err = r.connect(ctx, to)
		r.results <- t
	}()
}

// failed notes that a try has failed. It reports whether it did so by itself, so
// that the next address is due; one that made room says nothing of its address.
func (r *race) failed(t *try) bool {
	r.running = slices.DeleteFunc(r.running, func(other *try) bool { return other == t })
	if t.stopped {
		return false
	}
	if r.first == nil {
		r.first = t.err
	}
	return true
}

// add lets the addresses of the later family be tried next, alternating with
// those that wait.
func (r *race) add(found family) error {
	r.later = nil
	more, err := r.judge(found.addrs)
	if err != nil {
		return err
	}
	if r.began < maxAddresses {
		r.waiting = alternate(more, r.waiting)
	}
	return nil
}

// closeLate closes the connections among the results still to come.
func closeLate(results <-chan *try, pending int) {
	for range pending {
		if t := <-results; t.err == nil {
			_ = t.conn.Close() // nothing was sent on it
		}
	}
}
