package egress

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// attemptDelay is how long an address is given before the next one is tried
// beside it (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// interleave orders addresses so that the two families alternate, beginning
// with the family of the first and keeping the resolver's order within each
// (RFC 8305, section 4).
func interleave(addrs []netip.AddrPort) []netip.AddrPort {
	if len(addrs) < 3 {
		return addrs
	}
	var same, other []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for i := range max(len(same), len(other)) {
		if i < len(same) {
			mixed = append(mixed, same[i])
		}
		if i < len(other) {
			mixed = append(mixed, other[i])
		}
	}
	return mixed
}

type connectFunc func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

type connectResult struct {
	conn net.Conn
	err  error
}

// connectAny connects to the first of the addresses that answers. The next one
// is started when one fails, or has not answered within attemptDelay. When all
// fail it returns the error of the first that did; the others' attempts end,
// and connections that come too late are closed.
func connectAny(ctx context.Context, addrs []netip.AddrPort, connect connectFunc) (net.Conn, error) {
	if len(addrs) == 1 {
		return connect(ctx, addrs[0])
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan connectResult, len(addrs))
	next := time.NewTimer(0)
	defer next.Stop()
	started, ended := 0, 0
	defer func() {
		if started > ended {
			go closeLate(results, started-ended)
		}
	}()

	var first error
	for ended < len(addrs) {
		select {
		case <-next.C:
			if started == len(addrs) {
				continue
			}
			to := addrs[started]
			started++
			go func() {
				c, err := connect(ctx, to)
				results <- connectResult{c, err}
			}()
			next.Reset(attemptDelay)
		case r := <-results:
			ended++
			if r.err == nil {
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			next.Reset(0)
		}
	}
	return nil, first
}

// closeLate closes the connections among the results still to come.
func closeLate(results <-chan connectResult, pending int) {
	for range pending {
		if r := <-results; r.err == nil {
			_ = r.conn.Close() // nothing was sent on it
		}
	}
}
