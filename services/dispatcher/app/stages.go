package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// stage is parts that start together and stop together.
type stage []part

// part runs until its context ends, and returns when it has finished its work.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runStages starts the stages in order and, when ctx ends, stops them in reverse
// order, so that each stage finds those that it works with still running. It
// returns the errors of all parts when the last one has ended.
func runStages(ctx context.Context, stages ...stage) error {
	stops := make([]func() error, len(stages))
	for i, s := range stages {
		stops[i] = s.start(context.WithoutCancel(ctx))
	}
	<-ctx.Done()
	var errs []error
	for _, stop := range slices.Backward(stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// start starts the parts of a stage. stop ends their context, waits for them, and
// returns the first error.
func (s stage) start(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var running errgroup.Group
	for _, p := range s {
		running.Go(func() error {
			if err := p.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return func() error {
		cancel()
		return running.Wait()
	}
}
