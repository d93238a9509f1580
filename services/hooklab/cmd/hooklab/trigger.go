package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
)

// trigger publishes one event of a type. It is a real one: every webhook of the
// organization that wants it sends it.
func trigger(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		_, _ = fmt.Fprintf(stderr, "hooklab trigger: which event? One of %v\n", event.Types())
		return errUsage
	}
	var a account
	flags := flag.NewFlagSet("hooklab trigger", flag.ContinueOnError)
	a.flags(flags)
	data := flags.String("data", "", "the event's data as JSON, by default a sample's")
	kind, args := args[0], args[1:]
	if kind == "-h" || kind == "--help" {
		kind, args = "", []string{"-h"}
	}
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	t, err := parseType(kind)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "hooklab trigger: %q: %v\n", kind, err)
		return errUsage
	}
	if err := a.check(flags, stderr); err != nil {
		return err
	}
	now := time.Now()
	e := event.Sample(t, a.organization, event.NewID(now), now)
	if *data != "" {
		body := fmt.Appendf(nil, `{"id":%q,"type":%q,"data":%s}`, e.ID, string(t), *data)
		if e, err = event.ParseSubmission(body, a.organization, now); err != nil {
			return fmt.Errorf("read the data: %w", err)
		}
	}
	api := load.NewAPI(a.server, a.key, 1)
	defer api.Close()
	if err := api.Publish(ctx, e); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%s %s\n", e.Type, e.ID)
	return nil
}
