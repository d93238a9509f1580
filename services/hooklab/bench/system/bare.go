package system

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
)

// Bare runs the bare loop against the system's receiver, in a process of its
// own, and returns its report.
func (s *System) Bare(ctx context.Context, p bare.Plan) (bare.Report, error) {
	plan, err := json.Marshal(p)
	if err != nil {
		return bare.Report{}, fmt.Errorf("write the bare loop's plan: %w", err)
	}
	out, err := s.launcher.Output(ctx, s.options.Self, plan, "bare")
	if err != nil {
		return bare.Report{}, fmt.Errorf("bare loop: %w", err)
	}
	var report bare.Report
	if err := json.Unmarshal(out, &report); err != nil {
		return bare.Report{}, fmt.Errorf("read the bare loop's report: %w", err)
	}
	return report, nil
}

// Helper starts one of this program's subcommands as a part of the system and
// returns the first line that it writes.
func (s *System) Helper(ctx context.Context, name string, args ...string) (line string, err error) {
	p, err := s.launch(name, s.options.Self, args, nil)
	if err != nil {
		return "", err
	}
	s.parts[name] = p
	err = await(ctx, name, func() error {
		if line = p.Tail(1); line == "" {
			return fmt.Errorf("%s has said nothing yet", name)
		}
		return nil
	})
	return line, err
}
