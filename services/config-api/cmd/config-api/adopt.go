package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/resources"
)

func adoptCommand() cli.Command {
	return cli.Command{
		Name:    "adopt",
		Summary: "Take over the streams of another installation, for this database.",
		Help: "The streams on NATS bear the id of the installation whose database made them, and the services\n" +
			"of another installation do not start there. Run it when this database replaces that one: it was\n" +
			"restored from an older backup, or made anew. Never run it while services of the other one run:\n" +
			"each of the two would then take a part of the events.",
		Needs: resourceSettings(),
		Flags: func(*flag.FlagSet) cli.Run {
			return func(ctx context.Context, c cli.Call) error {
				b, err := resources.Attach(ctx, c.Settings, resources.NATS(c.Settings, "config-api"), quiet(c.Err))
				if err != nil {
					return err
				}
				defer b.Close(quiet(c.Err))
				id, err := b.Store.Installation(ctx)
				if err != nil {
					return fmt.Errorf("read the installation's id: %w", err)
				}
				if err := b.Stream.Adopt(ctx, id); err != nil {
					return fmt.Errorf("adopt the streams: %w", err)
				}
				_, err = fmt.Fprintf(c.Out, "the streams belong to installation %s, this database's\n", id)
				return err //nolint:wrapcheck // printing is the last thing it does
			}
		},
	}
}
