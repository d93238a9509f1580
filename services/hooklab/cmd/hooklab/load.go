package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

// loadFlags are the flags of "hooklab load".
type loadFlags struct {
	api, token, nats string
	organizations    []string
	mix              traffic.Mix
	seed             uint64
	idFile           string
	plan             load.Plan
}

func readLoadFlags(args []string, stderr io.Writer) (loadFlags, error) {
	f := loadFlags{mix: traffic.DefaultMix(), organizations: []string{"acme"}}
	flags := flag.NewFlagSet("hooklab load", flag.ContinueOnError)
	flags.StringVar(&f.api, "api", "http://127.0.0.1:8080", "URL of the API to publish through")
	flags.StringVar(&f.token, "token", os.Getenv("DIALNOTE_TOKEN"), "token for the API, by default from DIALNOTE_TOKEN")
	flags.StringVar(&f.nats, "nats", "", "URL of a NATS server to publish to in place of the API")
	flags.Func("org", "organizations to publish for, separated by commas, in turn (default acme)", func(text string) error {
		f.organizations = strings.Split(text, ",")
		return nil
	})
	flags.Func("type", "`mix` of event types (default call.completed=7,recording.completed=2,note.created=1)", func(text string) (err error) {
		f.mix, err = traffic.ParseMix(text)
		return err
	})
	flags.Uint64Var(&f.seed, "seed", 0, "give the same events, with the same ids, in every run (0 for new ones)")
	flags.IntVar(&f.plan.Count, "count", 100, "how many events to publish")
	flags.Float64Var(&f.plan.Rate, "rate", 0, "events per second, 0 for as fast as they are taken")
	flags.IntVar(&f.plan.Concurrency, "concurrency", 8, "events under way at once")
	flags.DurationVar(&f.plan.Patience, "patience", 0, "how long to try an event again while the API or NATS is away")
	flags.StringVar(&f.idFile, "ids", "", "write the ids of the accepted events to this file, one a line")
	return f, parse(flags, args, stderr)
}

// publish carries a load plan out and prints its report. It returns an error
// when an event was given up.
func publish(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f, err := readLoadFlags(args, stderr)
	if err != nil {
		return err
	}
	publisher, closePublisher, err := open(f, stderr)
	if err != nil {
		return err
	}
	defer closePublisher()
	f.plan.Next = inTurn(f)
	ids, closeIDs, err := idWriter(f.idFile)
	if err != nil {
		return err
	}
	f.plan.Accepted = ids
	report, err := load.Run(ctx, publisher, f.plan)
	_, _ = io.WriteString(stdout, report.String())
	if cerr := closeIDs(); err == nil {
		err = cerr
	}
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("%d events were not accepted", report.Failed)
	}
	return err
}

// open returns the publisher and what closes it.
func open(f loadFlags, stderr io.Writer) (load.Publisher, func(), error) {
	if f.nats == "" {
		api := load.NewAPI(f.api, f.token, f.plan.Concurrency)
		return api, api.Close, nil
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	conn, err := stream.Connect(stream.Settings{URL: f.nats, Name: "hooklab"}, log)
	if err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	return conn, conn.Close, nil
}

// inTurn returns a source that takes an event of each organization in turn. A
// seed gives the same events in every run; without one they happened just now.
func inTurn(f loadFlags) func() (event.Event, error) {
	var generators []*traffic.Generator
	var start time.Time
	if f.seed == 0 {
		f.seed = rand.Uint64() //nolint:gosec // made-up traffic
		start = time.Now().Add(-traffic.MeanGap * time.Duration(f.plan.Count/len(f.organizations)))
	}
	for _, organization := range f.organizations {
		generators = append(generators, traffic.New(traffic.Options{
			Seed: f.seed, Organization: organization, Mix: f.mix, Start: start,
		}))
	}
	turn := 0
	return func() (event.Event, error) {
		g := generators[turn%len(generators)]
		turn++
		return g.Next()
	}
}

// idWriter returns what writes an accepted event's id to a file, and what
// closes the file. Without a file name both do nothing.
func idWriter(file string) (write func(event.Event), closeFile func() error, err error) {
	if file == "" {
		return nil, func() error { return nil }, nil
	}
	out, err := os.Create(file) //nolint:gosec // the file that was asked for
	if err != nil {
		return nil, nil, fmt.Errorf("write the ids: %w", err)
	}
	buffered := bufio.NewWriter(out)
	// The first error stays in the writer until Flush.
	write = func(e event.Event) { _, _ = buffered.WriteString(e.ID + "\n") }
	return write, func() error {
		if err := errors.Join(buffered.Flush(), out.Close()); err != nil {
			return fmt.Errorf("write the ids: %w", err)
		}
		return nil
	}, nil
}
