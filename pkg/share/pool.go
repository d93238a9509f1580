package share

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool is something that is shared, and the callers that wait for their part of it.
// It is a prometheus.Collector of its own state. Safe for concurrent use.
type Pool struct {
	meter *Meter

	mu      sync.Mutex
	held    *Ledger
	waiting *Ledger              // callers that wait, by holder
	lines   map[string][]*caller // of waiting, each in order of arrival
	turns   []string             // the holders of lines: the first one's turn is next
}

// caller is a caller of Acquire that waits.
type caller struct {
	want int
	turn chan struct{} // closed when the caller has what it wants
}

// NewPool returns a pool of which nothing is taken. of names it in the metrics. At
// most line callers wait at a time, of which a holder has its share as well.
func NewPool(of string, r Rule, line int) *Pool {
	p := &Pool{held: NewLedger(r), waiting: NewLedger(Rule{Total: line, Factor: 1}), lines: make(map[string][]*caller)}
	p.meter = NewMeter(of, p.state)
	return p
}

// Try takes n for a holder and returns nil, or takes nothing and returns
// ErrOverShare or ErrFull. What is taken must be given back with Release.
func (p *Pool) Try(holder string, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	why := p.held.Take(holder, n)
	p.meter.Refused(why)
	return why
}

// Acquire is Try, but waits until the holder may have n. Holders that wait are
// served in turn, and the callers of one in order of arrival. It returns
// ErrOverShare or ErrFull when too many wait already or n is more than there is,
// and ctx's error when ctx ends first.
func (p *Pool) Acquire(ctx context.Context, holder string, n int) error {
	mine, err := p.enter(holder, n)
	if mine == nil {
		return err
	}
	select {
	case <-mine.turn:
		return nil
	case <-ctx.Done():
		p.leave(holder, mine)
		return ctx.Err()
	}
}

// enter takes n for a holder, or returns a caller that must wait, or the error of
// one that is refused.
func (p *Pool) enter(holder string, n int) (*caller, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	why := p.held.rule.Check(p.held.used, p.held.own[holder], n)
	if why == nil && len(p.turns) == 0 {
		return nil, p.held.Take(holder, n)
	}
	if why == nil {
		why = ErrFull // others wait for what is left
	}
	if n > p.held.rule.Total || p.waiting.Take(holder, 1) != nil {
		p.meter.Refused(why)
		return nil, why
	}
	mine := p.join(holder, n)
	p.serve()
	if !mine.served() {
		p.meter.Waits(why)
	}
	return mine, nil
}

// join puts a caller at the end of its holder's line. The lock is held.
func (p *Pool) join(holder string, n int) *caller {
	mine := &caller{want: n, turn: make(chan struct{})}
	if len(p.lines[holder]) == 0 {
		p.turns = append(p.turns, holder)
	}
	p.lines[holder] = append(p.lines[holder], mine)
	return mine
}

// served reports whether the caller has what it wants.
func (c *caller) served() bool {
	select {
	case <-c.turn:
		return true
	default:
		return false
	}
}

// leave takes a caller out of its line, or gives back what it was just given.
func (p *Pool) leave(holder string, mine *caller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.lines[holder], mine); i >= 0 {
		p.remove(holder, i)
	} else {
		p.held.Give(holder, mine.want)
	}
	p.serve()
}

// Release gives back n that the holder has.
func (p *Pool) Release(holder string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held.Give(holder, n)
	p.serve()
}

// serve gives what is free to the holders that wait, one caller of each in turn.
// When there is not enough for a holder that has nothing, the others wait behind
// it: small wants do not keep a large one waiting for ever. The lock is held.
func (p *Pool) serve() {
	for passed := 0; passed < len(p.turns) && p.held.Free() > 0; {
		holder := p.turns[0]
		first := p.lines[holder][0]
		switch err := p.held.Take(holder, first.want); {
		case err == nil:
			close(first.turn)
			p.remove(holder, 0)
			passed = 0
		case errors.Is(err, ErrFull):
			return
		default:
			passed++
		}
		p.pass(holder)
	}
}

// pass moves a holder that had its turn behind the others. The lock is held.
func (p *Pool) pass(holder string) {
	if len(p.turns) > 0 && p.turns[0] == holder {
		p.turns = append(p.turns[1:], holder)
	}
}

// remove takes the caller at place i out of a holder's line. The lock is held.
func (p *Pool) remove(holder string, i int) {
	p.waiting.Give(holder, 1)
	p.lines[holder] = slices.Delete(p.lines[holder], i, i+1)
	if len(p.lines[holder]) == 0 {
		delete(p.lines, holder)
		at := slices.Index(p.turns, holder)
		p.turns = slices.Delete(p.turns, at, at+1)
	}
}

func (p *Pool) state() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Used: p.held.Used(), Limit: p.held.rule.Total, Waiting: p.waiting.Used()}
}

// Describe implements prometheus.Collector.
func (p *Pool) Describe(to chan<- *prometheus.Desc) { p.meter.Describe(to) }

// Collect implements prometheus.Collector.
func (p *Pool) Collect(to chan<- prometheus.Metric) { p.meter.Collect(to) }
