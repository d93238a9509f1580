package store

import "context"

// Resealed is what a call of Reseal did.
type Resealed struct {
	Done int      // texts that were resealed
	Lost int      // texts that could not be opened, and were left as they are
	Keys []string // the ids of the keys that were missing for those
	Next string   // after of the next call, "" at the end
}

// Sealed is everything that is encrypted at rest.
type Sealed interface {
	// MissingKeys returns the ids of the keys that texts were sealed with and that
	// the store was opened without: those texts cannot be read.
	MissingKeys(ctx context.Context) ([]string, error)

	// Reseal seals at most limit texts with the primary key that were sealed with
	// another one, and writes them in one transaction. after is "" at first, and
	// then the Next of the call before. A text that another writer changes
	// meanwhile stays as that writer left it. Nothing else of a row changes, not its
	// version either.
	Reseal(ctx context.Context, after string, limit int) (Resealed, error)
}
