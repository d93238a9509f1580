// Command hooklab receives webhooks as scripted, and publishes events to have
// some sent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/dialnote/webhooks/pkg/cli"
)

const usage = `hooklab receives webhooks as scripted, and publishes events to have some sent.

  hooklab listen    forward an organization's events, signed, to a program on this machine
  hooklab trigger   publish one event: hooklab trigger call.completed
  hooklab receive   answer every path as it says: /ok, /status/503, /delay/2s, /hang …
  hooklab load      publish made-up events through the API or straight to NATS

  hooklab healthcheck   ask the receiver on this machine whether it answers

"hooklab listen -h" and the like show the flags.
`

// errUsage says that the command line was not understood, and that this has
// been explained.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], cli.Printable(os.Stdout), cli.Printable(os.Stderr))
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		_, _ = fmt.Fprintln(cli.Printable(os.Stderr), "hooklab:", err)
		os.Exit(1)
	}
}

// run is the whole program, for main and for tests. It ends with ctx.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "listen":
			return listenTo(ctx, args[1:], stdout, stderr)
		case "trigger":
			return trigger(ctx, args[1:], stdout, stderr)
		case "receive":
			return receive(ctx, args[1:], stdout, stderr)
		case "load":
			return publish(ctx, args[1:], stdout, stderr)
		case "healthcheck":
			return healthcheck(ctx, args[1:], stderr)
		}
	}
	_, _ = io.WriteString(stderr, usage)
	return errUsage
}

// parse parses a subcommand's flags, and takes as many arguments behind them as
// there are operands to set.
func parse(flags *flag.FlagSet, args []string, stderr io.Writer, operands ...*string) error {
	flags.SetOutput(stderr)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return flag.ErrHelp
	} else if err != nil {
		return errUsage // flag has said what is wrong
	}
	rest := flags.Args()
	for _, operand := range operands[:min(len(operands), len(rest))] {
		*operand, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		_, _ = fmt.Fprintf(stderr, "%s: %q is not a flag\n", flags.Name(), rest[0])
		return errUsage
	}
	return nil
}
