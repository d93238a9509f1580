// Package batch answers what many goroutines ask at the same time with few
// statements, for as long as each is under way: what is asked meanwhile is asked
// together.
package batch

import (
	"context"
	"fmt"
	"sync"
)

// Asker gathers questions of type Q and has them answered together. Safe for
// concurrent use.
type Asker[Q, A any] struct {
	answer func(context.Context, []Q) ([]A, error)
	most   int // questions that are answered together
	atOnce int // answers under way

	mu      sync.Mutex
	pending []question[Q, A]
	running int
}

type question[Q, A any] struct {
	asked Q
	reply chan<- reply[A]
}

type reply[A any] struct {
	answer A
	err    error
}

// New returns an Asker that calls answer with up to most questions, up to atOnce
// times at once. answer returns an answer for each question, in their order, or an
// error that is every asker's. Its context has the values of one asker's context and
// does not end with it: answer bounds its own time.
func New[Q, A any](most, atOnce int, answer func(context.Context, []Q) ([]A, error)) *Asker[Q, A] {
	return &Asker[Q, A]{answer: answer, most: most, atOnce: atOnce}
}

// Ask returns the answer to a question, or an error when ctx ends first.
func (a *Asker[Q, A]) Ask(ctx context.Context, asked Q) (A, error) {
	got := make(chan reply[A], 1)
	a.mu.Lock()
	a.pending = append(a.pending, question[Q, A]{asked: asked, reply: got})
	begin := a.running < a.atOnce
	if begin {
		a.running++
	}
	a.mu.Unlock()
	if begin {
		go a.run(context.WithoutCancel(ctx))
	}
	select {
	case r := <-got:
		return r.answer, r.err
	case <-ctx.Done():
		return *new(A), fmt.Errorf("wait for an answer: %w", context.Cause(ctx))
	}
}

// run answers until nothing is asked.
func (a *Asker[Q, A]) run(ctx context.Context) {
	for {
		together := a.take()
		if len(together) == 0 {
			return
		}
		a.reply(ctx, together)
	}
}

// take returns the questions that are answered next. When there are none, one fewer
// is running.
func (a *Asker[Q, A]) take() []question[Q, A] {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := min(a.most, len(a.pending))
	together := a.pending[:n:n]
	if a.pending = a.pending[n:]; n == 0 {
		a.running--
		a.pending = nil
	}
	return together
}

func (a *Asker[Q, A]) reply(ctx context.Context, together []question[Q, A]) {
	asked := make([]Q, len(together))
	for i := range together {
		asked[i] = together[i].asked
	}
	answers, err := a.answer(ctx, asked)
	for i := range together {
		r := reply[A]{err: err}
		if err == nil {
			r.answer = answers[i]
		}
		together[i].reply <- r
	}
}
