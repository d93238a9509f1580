package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
)

// trigger publishes one event of a type. It is a real one: every webhook of the
// organization that wants it sends it.
func trigger(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var a account
	flags := flag.NewFlagSet("hooklab trigger", flag.ContinueOnError)
	a.flags(flags)
	data := flags.String("data", "", "the event's data as JSON, by default a sample's")
	kind, err := readKind(flags, args, stderr)
	if err != nil {
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

// readKind parses the flags and returns the event's type, which may stand before
// them or behind.
func readKind(flags *flag.FlagSet, args []string, stderr io.Writer) (kind string, err error) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		kind = args[0]
		return kind, parse(flags, args[1:], stderr)
	}
	err = parse(flags, args, stderr, &kind)
	if err == nil && kind == "" {
		_, _ = fmt.Fprintf(stderr, "hooklab trigger: which event? One of %v\n", event.Types())
		err = errUsage
	}
	return kind, err
}
