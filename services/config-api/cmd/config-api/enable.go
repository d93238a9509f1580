package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
)

func enableCommand() cli.Command {
	return cli.Command{
		Name:    "webhooks enable",
		Summary: "Enable webhooks that were disabled automatically: after an outage of our own.",
		Help: "It does for many webhooks what their owners do with Enable: the failures are forgotten, and the\n" +
			"events that wait are delivered, or discarded. It enables those that failed too often; those whose\n" +
			"endpoint answered 410 Gone, and those that their owners disabled, stay as they are. To call it\n" +
			"again does no harm.",
		Needs: resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			var since moment
			var out admin.Outage
			flags.StringVar(&out.OrganizationID, "org", "", "this organization's webhooks")
			all := flags.Bool("all", false, "the webhooks of all organizations")
			flags.Var(&since, "since", "only those disabled from this `time` on: 2026-11-02T09:30:00Z, or how long ago, like 2h")
			flags.Func("events", "`deliver` or discard the events that wait (default: deliver)", func(what string) error {
				if out.Discard = what == "discard"; !out.Discard && what != "deliver" {
					return errors.New("it is deliver or discard")
				}
				return nil
			})
			flags.BoolVar(&out.DryRun, "dry-run", false, "change nothing: say what would be enabled")
			run := operator(flags, true, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				return enable(ctx, o, c, out)
			})
			return func(ctx context.Context, c cli.Call) error {
				if (out.OrganizationID == "") != *all {
					return cli.UsageError("say whose webhooks: -org, or -all")
				}
				out.Since = since.at
				return run(ctx, c)
			}
		},
	}
}

func enable(ctx context.Context, o *admin.Operator, c cli.Call, out admin.Outage) error {
	enabled, passed := 0, 0
	err := o.Enable(ctx, out, func(e admin.Enabled) error {
		if e.Refused == "" {
			enabled++
		} else {
			passed++
		}
		_, err := fmt.Fprintf(c.Out, "%s %s  %s  %q\n", e.Webhook.OrganizationID, e.Webhook.ID, line(e, out), e.Webhook.Name)
		return err //nolint:wrapcheck // printing is all it does
	})
	if err != nil {
		return fmt.Errorf("%d were enabled before this: %w", enabled, err)
	}
	word := map[bool]string{false: "enabled", true: "would be enabled"}[out.DryRun]
	_, _ = fmt.Fprintf(c.Err, "%d %s, %d passed over\n", enabled, word, passed)
	return nil
}

// line returns the command's output for a webhook.
func line(e admin.Enabled, out admin.Outage) string {
	since := "at an unknown time"
	if !e.DisabledAt.IsZero() {
		since = "at " + e.DisabledAt.UTC().Format(time.RFC3339)
	}
	if e.Refused != "" {
		return "disabled " + since + ", passed over: " + e.Refused
	}
	events := "its events"
	if e.Held != nil {
		events = fmt.Sprintf("%d events", *e.Held)
	}
	word := map[bool]string{false: "enabled", true: "would be enabled"}[out.DryRun]
	fate := map[bool]string{false: "to be delivered", true: "discarded"}[out.Discard]
	return fmt.Sprintf("disabled %s, %s, %s %s", since, word, events, fate)
}
