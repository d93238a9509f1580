// Package doctor examines everything that a service needs, and says what is wrong
// and what to do. It changes nothing.
//
// Pure functions judge what was found.
package doctor

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Level is the severity of a finding.
type Level int

// The levels.
const (
	OK   Level = iota
	Warn       // it works, and should be looked at
	Fail       // it does not work
)

// String returns the level as it is printed.
func (l Level) String() string {
	switch l {
	case OK:
		return "OK"
	case Warn:
		return "WARN"
	case Fail:
	}
	return "FAIL"
}

// Finding is the result of one check.
type Finding struct {
	Level Level
	Part  string // settings, database, keys, nats, clock, dns or egress
	Says  string // what was found
	Do    string // what to do about it; "" for OK
}

// Service is the service that the doctor examines for.
type Service struct {
	Name  string      // of its connection to the broker
	Needs []string    // the settings without which it does not start
	Role  stream.Role // what it does over NATS
	Sends bool        // it sends to customers' endpoints
}

// Command returns the command that examines a service's surroundings.
func Command(s Service) cli.Command {
	return cli.Command{
		Name:    "doctor",
		Summary: "Check settings, database, NATS, clocks, DNS and egress, and say what to do.",
		Help: "Each line says OK, WARN or FAIL. The code is 0 unless something fails. It changes nothing, and\n" +
			"may run beside the service: run it where the service runs, with the service's environment.",
		Flags: func(flags *flag.FlagSet) cli.Run {
			target := flags.String("egress", "", "the `URL` to try a request to, or \"none\" (default: https:// and the first of DIALNOTE_ZAPIER_HOSTS)")
			patience := flags.Duration("timeout", 10*time.Second, "how long each part may take to answer")
			return func(ctx context.Context, c cli.Call) error {
				if u, err := url.Parse(*target); *target != "" && *target != none && (err != nil || u.Hostname() == "") {
					return cli.UsageError("-egress is no URL")
				}
				e := &examination{service: s, out: c.Out, patience: *patience, egress: *target}
				e.all(ctx, c.Environ)
				return e.end()
			}
		},
	}
}

// examination is one run of all checks.
type examination struct {
	service  Service
	out      io.Writer
	patience time.Duration
	egress   string

	settings     config.Settings
	box          *secretbox.Keyring
	installation string // of the database, "" when it is not known
	counts       [Fail + 1]int
}

// all examines one part after the other. It ends with the settings when they are
// wrong.
func (e *examination) all(ctx context.Context, environ map[string]string) {
	if !e.examineSettings(environ) {
		return
	}
	for _, examine := range []func(context.Context){e.examineDatabase, e.examineBroker, e.examineNames, e.examineEgress} {
		if ctx.Err() != nil {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, e.patience)
		examine(bounded)
		cancel()
	}
}

// report prints findings as they are made.
func (e *examination) report(findings ...Finding) {
	for _, f := range findings {
		e.counts[f.Level]++
		_, _ = fmt.Fprintf(e.out, "%-4s  %-8s  %s\n", f.Level, f.Part, f.Says)
		if f.Do != "" {
			_, _ = fmt.Fprintf(e.out, "                → %s\n", f.Do)
		}
	}
}

// end sums up, and returns an error when something failed.
func (e *examination) end() error {
	_, _ = fmt.Fprintf(e.out, "\n%d OK, %d to look at, %d failed\n", e.counts[OK], e.counts[Warn], e.counts[Fail])
	if e.counts[Fail] > 0 {
		return cli.ErrSaid
	}
	return nil
}

func ok(part, format string, args ...any) Finding {
	return Finding{Level: OK, Part: part, Says: fmt.Sprintf(format, args...)}
}

// silent returns a log that discards everything: the findings say what is wrong.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
