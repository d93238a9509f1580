package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
)

func disableCommand() cli.Command {
	return cli.Command{
		Name:    "webhooks disable",
		Summary: "Disable an organization's webhooks: nothing more is sent for them.",
		Help: "It sets their event setting to Disabled, as the organization could itself, and waits until no\n" +
			"dispatcher sends for them. Events that wait for them are gone. What each of them sent is printed,\n" +
			"and stands in the audit log, so that it can be set again.",
		Needs: resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			organization := flags.String("org", "", "the organization (required)")
			dry := flags.Bool("dry-run", false, "change nothing: say what would be disabled")
			var only []string
			flags.Func("webhook", "only this webhook; may be given several times", func(id string) error {
				only = append(only, id)
				return nil
			})
			run := operator(flags, true, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				return disable(ctx, o, c, *organization, only, *dry)
			})
			return func(ctx context.Context, c cli.Call) error {
				if *organization == "" {
					return cli.UsageError("say whose webhooks: -org")
				}
				return run(ctx, c)
			}
		},
	}
}

func disable(ctx context.Context, o *admin.Operator, c cli.Call, organization string, only []string, dry bool) error {
	disabled := 0
	err := o.Disable(ctx, organization, only, dry, func(w webhook.Webhook) error {
		what := "disabled; it sent " + string(w.Event)
		switch {
		case w.Status() == webhook.StatusDisabled:
			what = "was disabled already"
		case dry:
			what = "would be disabled; it sends " + string(w.Event)
			disabled++
		default:
			disabled++
		}
		_, err := fmt.Fprintf(c.Out, "%s  %s  %q\n", w.ID, what, w.Name)
		return err //nolint:wrapcheck // printing is all it does
	})
	if err != nil {
		return fmt.Errorf("%d were disabled before this: %w", disabled, err)
	}
	if disabled == 0 {
		_, _ = fmt.Fprintf(c.Err, "%s has nothing to disable\n", organization)
	}
	return nil
}
