package httpapi

import (
	"context"

	"github.com/dialnote/webhooks/pkg/share"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// Reading are the places for requests that read much: logs and statistics. A
// request takes one last, when it has its place among all requests, and has it until
// its answer is written. Organizations share the places. The programs of an
// organization, the platform on its behalf, and its settings page have a share each:
// a program that reads without end leaves the page usable. The zero Reading is not
// usable. Safe for concurrent use.
type Reading struct{ places *share.Pool }

const (
	// readingPlaces is how many requests read at once. The database has four
	// connections for them, so that most of the others write their answers.
	readingPlaces = 32

	// readingShare is how much of the free places one reader may have: with an
	// eighth, one that is alone has three of the four connections for reading.
	readingShare = 1.0 / 8

	// readingLine is how many requests wait for a place. A request that waits has
	// read nothing yet.
	readingLine = 512
)

// NewReading returns places that are free.
func NewReading() *Reading {
	return &Reading{share.NewPool("reads", share.Rule{Total: readingPlaces, Factor: readingShare}, readingLine)}
}

// Places returns the pool of the places, whose metrics are to be registered.
func (r *Reading) Places() *share.Pool { return r.places }

// Begin waits for a place, which end gives back. It returns a fault of kind
// RateLimited when too many requests of the reader wait, Unavailable when too many of
// all do, and ctx's error when ctx ends first.
func (r *Reading) Begin(ctx context.Context, reader string) (end func(), err error) {
	if err := r.places.Acquire(ctx, reader, 1); err != nil {
		return nil, heldBack(err)
	}
	return func() { r.places.Release(reader, 1) }, nil
}

// readsMuch reports whether an operation reads more than a few rows.
func readsMuch(op *contract.Operation) bool {
	switch op.ID {
	case "listDeliveries", "getDelivery", "getWebhookStats", "listAuditLog":
		return true
	}
	return false
}
