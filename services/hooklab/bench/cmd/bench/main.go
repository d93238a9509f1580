// Command bench measures the whole system as real processes on loopback, and
// compares the result with earlier ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/echo"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
)

const usage = `bench measures dialnote's webhooks as real processes on loopback.

  bench run     measure, print the tables, write bench.md and bench.json
  bench check   measure briefly and compare with the committed ratios

"bench run -h" and "bench check -h" show the flags, whose defaults come from the
environment: BENCH, BENCH_RUNS, BENCH_SCALE, BENCH_SEED, BENCH_OUT, BENCH_PROFILE.
What else it can do are parts of a measurement, in processes of their own.
`

// errUsage says that the command line was not understood, and that this has
// been explained.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start is the whole program. It ends with ctx.
func start(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "run":
			return measure(ctx, args[1:], stdout, stderr)
		case "check":
			return check(ctx, args[1:], stdout, stderr)
		case "receive":
			hosts := 0
			if len(args) > 1 {
				hosts, _ = strconv.Atoi(args[1]) // ours
			}
			return sink.Serve(ctx, hosts, stdout)
		case "bare":
			return bare.Run(ctx, stdin, stdout)
		case "echo":
			return echo.Serve(ctx, stdout)
		}
	}
	_, _ = io.WriteString(stderr, usage)
	return errUsage
}
