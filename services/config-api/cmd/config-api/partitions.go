package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/stream"
)

func partitionsCommand() cli.Command {
	return cli.Command{
		Name:    "partitions",
		Summary: "Show or change into how many partitions the events are divided.",
		Help: "What arrives for one organization delays only those whose events are in the same partition. Without\n" +
			"-set it shows how many there are. It changes the number while events are published and delivered:\n" +
			"nothing is lost, and nothing is delivered twice but what was in flight. Until it has finished one\n" +
			"consumer hands out all events, and dispatchers must run. When it is ended early, everything is\n" +
			"delivered as well, and calling it again goes on. All services must be of this version or a later one.",
		Needs: resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			set := flags.Int("set", 0, fmt.Sprintf("divide the events into this `number` of partitions, from 1 to %d", stream.MostPartitions))
			return func(ctx context.Context, c cli.Call) error {
				b, err := resources.Attach(ctx, c.Settings, resources.NATS(c.Settings, "config-api"), quiet(c.Err))
				if err != nil {
					return err
				}
				defer b.Close(quiet(c.Err))
				if *set != 0 {
					err = b.Stream.Repartition(ctx, *set, func(step string) { _, _ = fmt.Fprintln(c.Err, step) })
					if err != nil {
						return fmt.Errorf("change the number of partitions: %w", err)
					}
				}
				d, err := b.Stream.Division(ctx)
				if err != nil {
					return fmt.Errorf("read the number of partitions: %w", err)
				}
				_, err = fmt.Fprintln(c.Out, divisionLine(d))
				return err //nolint:wrapcheck // printing is the last thing it does
			}
		},
	}
}

// divisionLine says in words how the events are divided.
func divisionLine(d stream.Division) string {
	switch {
	case d.Partitions == 0 && d.Stored == 0:
		return "the events are not divided: -set divides them"
	case d.Partitions == 0:
		return fmt.Sprintf("one consumer hands out all events; they are being divided into %d partitions: -set %d goes on, should nothing do it", d.Stored, d.Stored)
	}
	return fmt.Sprintf("the events are divided into %d partitions", d.Partitions)
}
