package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

// profile writes a profile of the first dispatcher, if one is wanted and there
// is a dispatcher, and tells when it is written.
func (b *bench) profile(ctx context.Context, s *system.System, row, run string) <-chan error {
	done := make(chan error, 1)
	if b.Profile == 0 || len(s.Dispatchers) == 0 {
		close(done)
		return done
	}
	go func() { done <- b.writeProfile(ctx, s, row, run) }()
	return done
}

func (b *bench) writeProfile(ctx context.Context, s *system.System, row, run string) error {
	text, err := s.Profile(ctx, b.Profile)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	name := strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(b.current + "-" + row + "-" + run + ".pprof")
	if err := os.MkdirAll(b.ProfileFolder, 0o755); err != nil { //nolint:gosec // like the report beside it
		return fmt.Errorf("write a profile: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.ProfileFolder, name), text, 0o644); err != nil { //nolint:gosec // likewise
		return fmt.Errorf("write a profile: %w", err)
	}
	return nil
}
