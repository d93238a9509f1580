package record

import (
	"context"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Answer is what became of one attempt, for a caller that waits for it.
type Answer chan answer

type answer struct {
	recorded delivery.Step
	err      error
}

// NewAnswer returns an answer that is not there yet.
func NewAnswer() Answer { return make(Answer, 1) }

// Recorded gives the answer, once. It does not block.
func (a Answer) Recorded(s delivery.Step, err error) { a <- answer{s, err} }

// Wait returns the answer, or ctx's cause when ctx ends first: then the attempt may
// be recorded or not.
func (a Answer) Wait(ctx context.Context) (delivery.Step, error) {
	select {
	case got := <-a:
		return got.recorded, got.err
	case <-ctx.Done():
		return delivery.Step{}, context.Cause(ctx)
	}
}
