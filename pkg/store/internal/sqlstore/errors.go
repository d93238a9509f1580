package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Explain returns err as the port promises it: nil and a *fault.Error as they
// are, the context's end wrapped, Unavailable with what an operator can do when the
// database is away, and everything else wrapped as internal.
func (s *Store) Explain(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	if ended := ctx.Err(); ended != nil {
		// A driver's words for "you cancelled me" vary; the context's do not.
		return fmt.Errorf("%s: %w (%w)", op, ended, err)
	}
	if !s.Dialect.Away(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	s.refused.Store(true)
	if s.Dialect.Remedy != nil {
		if do := s.Dialect.Remedy(err); do != "" {
			return Unavailable(fmt.Errorf("%s: %w: %s", op, err, do))
		}
	}
	return Unavailable(fmt.Errorf("%s: %w", op, err))
}

// Unavailable says that the database is away, because of cause.
func Unavailable(cause error) error {
	return fault.New(fault.Unavailable, "database-unavailable", "We cannot reach our database at the moment. Try again soon.").Because(cause)
}

// orNotFound replaces the error of a query without a row.
func orNotFound(err, notFound error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound
	}
	return err
}

func webhookNotFound() error {
	return fault.New(fault.NotFound, "webhook-not-found", "There is no such webhook.")
}

func invalidCursor() error {
	return fault.InvalidFields(fault.Field{Pointer: "cursor", Detail: "This cursor is not one that a list has returned."})
}

func deliveryNotFound() error {
	return fault.New(fault.NotFound, "delivery-not-found", "There is no such delivery.")
}

func staleVersion() error {
	return fault.New(fault.Stale, "stale-version", "The webhook has changed since you read it. Read it again and repeat your change.")
}

func limitReached(limit int) error {
	return fault.Newf(fault.Conflict, "webhook-limit-reached", "The organization has %d webhooks, the most it can have. Delete one first.", limit)
}
