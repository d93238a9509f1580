package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/doctor"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
)

// needed are the settings without which the service does not start.
func needed() []string {
	return []string{"DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS", "API_TOKENS|API_TOKENS_FILE"}
}

func theProgram() cli.Program {
	return cli.Program{
		Name: "config-api", Serve: serve,
		About: "config-api serves the API and the settings page of webhooks.",
		Commands: []cli.Command{
			ops.HealthCommand(opsAddr),
			doctor.Command(doctor.Service{Name: "config-api", Needs: needed(), Role: stream.ConfigAPI()}),
			migrateCommand(), reencryptCommand(), adoptCommand(), partitionsCommand(),
			disableCommand(), enableCommand(), replayCommand(),
			rejectedListCommand(), rejectedShowCommand(), rejectedRequeueCommand(),
		},
	}
}

// operator returns what runs an operator's command. When the command changes
// something, it registers the flag with the operator's name.
func operator(flags *flag.FlagSet, changes bool, run func(ctx context.Context, o *admin.Operator, c cli.Call) error) cli.Run {
	var by *string
	if changes {
		by = flags.String("by", "", "who you are, for the audit log (default: the variable USER)")
	}
	return func(ctx context.Context, c cli.Call) error {
		actor := audit.Actor{Kind: audit.Operator}
		if by != nil {
			actor.Name = webhook.Trim(cmp.Or(*by, c.Environ["USER"], "operator"))
			if wrong := webhook.CheckName("by", actor.Name); len(wrong) > 0 {
				return fmt.Errorf("-by: %s", wrong[0].Detail)
			}
		}
		o, closeAll, err := app.OpenOperator(ctx, c.Settings, actor, quiet(c.Err))
		if err != nil {
			return err
		}
		defer closeAll()
		return run(ctx, o, c)
	}
}

// quiet returns a log for a command, to be read on a terminal.
func quiet(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// resourceSettings are what an operator's commands need.
func resourceSettings() []string { return []string{"DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS"} }

// moment is a flag that is a time: one as in RFC 3339, or how long ago it was.
type moment struct {
	at  time.Time
	set bool
}

// String implements flag.Value.
func (m *moment) String() string {
	if m == nil || !m.set {
		return ""
	}
	return m.at.Format(time.RFC3339)
}

// Set implements flag.Value.
func (m *moment) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		m.at, m.set = time.Now().Add(-ago), true
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("write it as 2026-11-02T09:30:00Z, or as how long ago it was, like 36h")
	}
	m.at, m.set = at, true
	return nil
}
