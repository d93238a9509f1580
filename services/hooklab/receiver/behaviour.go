package receiver

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Behaviour decides the answer to the nth request of a path, counted from 0. It
// may be called by several requests at once.
type Behaviour func(nth uint64) Answer

// OK answers every request with 200.
func OK() Behaviour { return Statuses(http.StatusOK) }

// Statuses answers with one status after another; the last one repeats. Without
// any it answers 200. The statuses must be final ones, 200 to 599.
func Statuses(statuses ...int) Behaviour {
	if len(statuses) == 0 {
		statuses = []int{http.StatusOK}
	}
	last := uint64(len(statuses)) - 1
	return func(nth uint64) Answer {
		return Answer{Status: statuses[min(nth, last)]}
	}
}

// Cycle answers with one status after another and begins again after the last.
// Without any it answers 200.
func Cycle(statuses ...int) Behaviour {
	if len(statuses) == 0 {
		return OK()
	}
	return func(nth uint64) Answer {
		return Answer{Status: statuses[nth%uint64(len(statuses))]}
	}
}

// Delayed answers as then does, after a delay.
func Delayed(delay time.Duration, then Behaviour) Behaviour {
	return func(nth uint64) Answer {
		a := then(nth)
		a.Delay += delay
		return a
	}
}

// Flaky fails with 500 at the given rate, 0 to 1, and answers 200 otherwise.
// Which requests fail depends on seed and their number alone.
func Flaky(rate float64, seed uint64) Behaviour {
	return func(nth uint64) Answer {
		chance := rand.New(rand.NewPCG(seed, nth)) //nolint:gosec // repeatable on purpose
		if chance.Float64() < rate {
			return Answer{Status: http.StatusInternalServerError}
		}
		return Answer{Status: http.StatusOK}
	}
}

// RetryAfter answers with status and a Retry-After header, whose value is
// seconds or an HTTP date.
func RetryAfter(value string, status int) Behaviour {
	return always(Answer{Status: status, Header: http.Header{"Retry-After": {value}}})
}

// Redirect answers with status and a Location header.
func Redirect(location string, status int) Behaviour {
	return always(Answer{Status: status, Header: http.Header{"Location": {location}}})
}

// Hang reads the request and never answers it.
func Hang() Behaviour {
	return always(Answer{Until: make(chan struct{})})
}

// always answers every request alike.
func always(a Answer) Behaviour { return func(uint64) Answer { return a } }

// Gate holds the answers of a path back until a test lets them go: what is in
// flight can be looked at without a clock.
type Gate struct {
	once sync.Once
	open chan struct{}
}

// NewGate returns a closed gate.
func NewGate() *Gate { return &Gate{open: make(chan struct{})} }

// Holding answers as then does, once the gate is open.
func (g *Gate) Holding(then Behaviour) Behaviour {
	return func(nth uint64) Answer {
		a := then(nth)
		a.Until = g.open
		return a
	}
}

// Open lets every held and every later answer go. It may be called more than
// once.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }
