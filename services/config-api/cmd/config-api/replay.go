package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
)

func replayCommand() cli.Command {
	return cli.Command{
		Name:    "replay",
		Summary: "Have what webhooks missed since a time delivered.",
		Help: "It starts a recovery of each webhook: of the events since then, what was given up, not sent or\n" +
			"never tried is delivered. What was delivered is not sent again. The dispatchers do the work, at\n" +
			"each endpoint's pace; it survives restarts, and each job can be followed and cancelled through\n" +
			"the API. Disabled webhooks are passed over, and those that have such a job already.",
		Needs: resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			var since, until moment
			var s admin.ReplayScope
			flags.Var(&since, "since", "from this `time` on (required): 2026-11-02T09:30:00Z, or how long ago, like 36h")
			flags.Var(&until, "until", "before this `time` (default: now)")
			flags.StringVar(&s.OrganizationID, "org", "", "only this organization's webhooks")
			flags.StringVar(&s.WebhookID, "webhook", "", "only this webhook of the organization")
			flags.BoolVar(&s.DryRun, "dry-run", false, "deliver nothing: count what was missed")
			wait := flags.Bool("wait", false, "wait until all is queued, and say how much that was")
			run := operator(flags, true, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				return replay(ctx, o, c, s, *wait || s.DryRun)
			})
			return func(ctx context.Context, c cli.Call) error {
				switch {
				case !since.set:
					return cli.UsageError("say from when on: -since")
				case s.WebhookID != "" && s.OrganizationID == "":
					return cli.UsageError("say whose webhook it is: -org")
				}
				if s.Since = since.at; until.set {
					s.Until = &until.at
				}
				return run(ctx, c)
			}
		},
	}
}

// replay starts the jobs and prints each; with wait it also prints how each ended.
func replay(ctx context.Context, o *admin.Operator, c cli.Call, s admin.ReplayScope, wait bool) error {
	var started []delivery.Recovery
	err := o.Replay(ctx, s, func(r admin.Replayed) error {
		what := "passed over: " + r.Refused
		if r.Refused == "" {
			started = append(started, r.Recovery)
			what = fmt.Sprintf("%s: %d events to examine", r.Recovery.ID, r.Recovery.Total)
		}
		_, err := fmt.Fprintf(c.Out, "%s %s  %s\n", r.Webhook.OrganizationID, r.Webhook.ID, what)
		return err //nolint:wrapcheck // printing is all it does
	})
	if err != nil {
		return fmt.Errorf("%d recoveries were started before this: %w", len(started), err)
	}
	if !wait {
		return nil
	}
	word := map[bool]string{false: "queued", true: "missed"}[s.DryRun]
	for _, r := range started {
		ended, err := o.Await(ctx, r)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(c.Out, "%s %s: %d examined, %d %s. %s\n", ended.ID, ended.Status, ended.Examined, ended.Queued, word, ended.Message)
	}
	return nil
}
