package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
)

// errEnough ends a list that is long enough.
var errEnough = errors.New("enough")

// rangeFlags adds the flags that choose rejected messages.
func rangeFlags(flags *flag.FlagSet) func() stream.RejectedRange {
	var since moment
	var s stream.RejectedRange
	flags.Var(&since, "since", "rejected from this `time` on: 2026-11-02T09:30:00Z, or how long ago, like 36h")
	flags.StringVar(&s.OrganizationID, "org", "", `only those published for this organization, or "unknown"`)
	return func() stream.RejectedRange {
		if s.Since = since.at; !since.set {
			s.Since = time.Unix(0, 0)
		}
		return s
	}
}

func rejectedListCommand() cli.Command {
	return cli.Command{
		Name:    "rejected list",
		Summary: "List published messages that could not be understood.",
		Help:    "Oldest first: sequence, when it was rejected, its size, the subject that it was published to, the reason.",
		Needs:   resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			span := rangeFlags(flags)
			most := flags.Int("limit", 100, "how many at most")
			return operator(flags, false, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
				n := 0
				err := o.EachRejected(ctx, span(), func(r stream.Rejected) error {
					if n++; n > *most {
						return errEnough
					}
					_, err := fmt.Fprintf(table, "%d\t%s\t%d B\t%s\t%s\n", r.Sequence, r.At.UTC().Format(time.RFC3339), len(r.Message.Data), r.Message.Subject, r.Reason)
					return err //nolint:wrapcheck // printing is all it does
				})
				if errors.Is(err, errEnough) {
					_, _ = fmt.Fprintf(c.Err, "there are more than %d: see -limit and -since\n", *most)
					err = nil
				}
				return errors.Join(err, table.Flush())
			})
		},
	}
}

func rejectedShowCommand() cli.Command {
	return cli.Command{
		Name:    "rejected show",
		Args:    "SEQUENCE",
		Summary: "Show a rejected message as it was published, with its reason.",
		Help:    "The message may hold what customers said: look before you pass it on.",
		Needs:   resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			return operator(flags, false, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				sequences, err := parseSequences(c.Args)
				if err != nil {
					return err
				}
				for _, sequence := range sequences {
					r, err := o.Rejected.RejectedAt(ctx, sequence)
					if err != nil {
						return err
					}
					_, now := r.Message.Published()
					_, _ = fmt.Fprintf(c.Out, "message:      %d, rejected at %s\nsubject:      %s\ncontent type: %s\nreason:       %s\nnow:          %s\n\n%s\n",
						r.Sequence, r.At.UTC().Format(time.RFC3339Nano), r.Message.Subject, r.Message.ContentType, r.Reason, verdict(now), r.Message.Data)
				}
				return nil
			})
		},
	}
}

// verdict says whether this version understands a message.
func verdict(err error) string {
	if err != nil {
		return "still not understood: " + err.Error()
	}
	return "understood by this version: it can be requeued"
}

func rejectedRequeueCommand() cli.Command {
	return cli.Command{
		Name:    "rejected requeue",
		Args:    "[SEQUENCE…]",
		Summary: "Publish rejected messages again that this version understands.",
		Help: "For messages that an older version did not understand. One that is still wrong stays where it is:\n" +
			"its publisher has to send it again, corrected. What is published again is delivered as a new event.",
		Needs: resourceSettings(),
		Flags: func(flags *flag.FlagSet) cli.Run {
			span := rangeFlags(flags)
			all := flags.Bool("all", false, "all of them, or those that -since and -org name")
			return operator(flags, true, func(ctx context.Context, o *admin.Operator, c cli.Call) error {
				sequences, err := parseSequences(c.Args)
				switch {
				case err != nil:
					return err
				case *all == (len(sequences) > 0):
					return cli.UsageError("name the messages by their sequences, or say -all")
				case *all:
					err = o.EachRejected(ctx, span(), func(r stream.Rejected) error {
						sequences = append(sequences, r.Sequence)
						return nil
					})
				}
				if err != nil {
					return err
				}
				return requeue(ctx, o, c, sequences)
			})
		},
	}
}

func requeue(ctx context.Context, o *admin.Operator, c cli.Call, sequences []uint64) error {
	left := 0
	for _, sequence := range sequences {
		e, err := o.Requeue(ctx, sequence)
		if ctx.Err() != nil {
			return fmt.Errorf("requeue: %w", ctx.Err())
		}
		if err != nil {
			left++
			_, _ = fmt.Fprintf(c.Err, "%d: %v\n", sequence, err)
			continue
		}
		_, _ = fmt.Fprintf(c.Out, "%d: event %s of %s published again\n", sequence, e.ID, e.OrganizationID)
	}
	if left > 0 {
		_, _ = fmt.Fprintf(c.Err, "%d of %d were not requeued\n", left, len(sequences))
		return cli.ErrSaid
	}
	return nil
}

func parseSequences(args []string) ([]uint64, error) {
	sequences := make([]uint64, 0, len(args))
	for _, arg := range args {
		n, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return nil, cli.UsageError(arg + ` is no sequence: a number from "rejected list"`)
		}
		sequences = append(sequences, n)
	}
	return sequences, nil
}
