package store

import "context"

// Resealed is what a call of Reseal did.
type Resealed struct {
	Done int      // texts that were sealed anew
	Lost int      // texts that could not be opened, and were left as they are
	Keys []string // the ids of the keys that were missing for those
	Next string   // where the next call goes on, "" at the end
}

// Sealed is everything that is encrypted at rest.
type Sealed interface {
	// MissingKeys returns the ids of the keys that something was sealed with and
	// that the store was opened without: nothing sealed with them can be read.
	MissingKeys(ctx context.Context) ([]string, error)

	// Reseal seals at most limit texts with the primary key that were sealed with
	// another one, in one transaction. after is "" at first, and then the Next of
	// the call before. Others may read and write meanwhile: what they change
	// stays changed. Nothing else of a row changes, not its version either.
	Reseal(ctx context.Context, after string, limit int) (Resealed, error)
}
