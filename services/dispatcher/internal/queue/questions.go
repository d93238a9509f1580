package queue

import (
	"context"
	"fmt"
)

// askedTogether is how many questions the database is asked at once, at most.
const askedTogether = 200

// questions gathers what many goroutines ask the database at the same time, so that
// one statement answers them. Each run has one statement under way: outcomes and the
// events of other webhooks need the database's connections, too. Safe for concurrent
// use.
type questions[Q, A any] struct {
	answer  func(context.Context, []Q) ([]A, error) // returns an answer for each question
	pending chan question[Q, A]
}

type question[Q, A any] struct {
	asked Q
	reply chan<- reply[A]
}

type reply[A any] struct {
	answer A
	err    error
}

func newQuestions[Q, A any](answer func(context.Context, []Q) ([]A, error)) questions[Q, A] {
	return questions[Q, A]{answer: answer, pending: make(chan question[Q, A])}
}

// ask returns the answer to one question.
func (q questions[Q, A]) ask(ctx context.Context, asked Q) (A, error) {
	got := make(chan reply[A], 1)
	select {
	case q.pending <- question[Q, A]{asked: asked, reply: got}:
	case <-ctx.Done():
		return *new(A), fmt.Errorf("ask about what waits: %w", context.Cause(ctx))
	}
	select {
	case r := <-got:
		return r.answer, r.err
	case <-ctx.Done():
		return *new(A), fmt.Errorf("ask about what waits: %w", context.Cause(ctx))
	}
}

// run answers questions until ctx ends: those together that came during the statement
// before.
func (q questions[Q, A]) run(ctx context.Context) {
	for {
		select {
		case first := <-q.pending:
			q.together(ctx, q.others([]question[Q, A]{first}))
		case <-ctx.Done():
			return
		}
	}
}

// others adds the questions that are being asked now.
func (q questions[Q, A]) others(all []question[Q, A]) []question[Q, A] {
	for len(all) < askedTogether {
		select {
		case next := <-q.pending:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

func (q questions[Q, A]) together(ctx context.Context, all []question[Q, A]) {
	asked := make([]Q, len(all))
	for i := range all {
		asked[i] = all[i].asked
	}
	answers, err := q.answer(ctx, asked)
	for i := range all {
		r := reply[A]{err: err}
		if err == nil {
			r.answer = answers[i]
		}
		all[i].reply <- r
	}
}
