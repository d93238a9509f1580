package postgres

import (
	"context"
	"io/fs"
)

// MigrateTo exports migrate.
func (s *Store) MigrateTo(ctx context.Context, files fs.FS) error { return s.migrate(ctx, files) }
