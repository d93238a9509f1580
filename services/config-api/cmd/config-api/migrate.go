package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

func migrateCommand() cli.Command {
	return cli.Command{
		Name:    "migrate",
		Summary: "Bring the database's schema to this version.",
		Help: "The services do it by themselves when they start. Run it before them where they may not,\n" +
			"or to see first what an upgrade will do. Running services of the version before go on.",
		Needs: []string{"DATABASE_URL"},
		Flags: func(flags *flag.FlagSet) cli.Run {
			dry := flags.Bool("dry-run", false, "change nothing: say what would be done")
			wait := flags.Duration("wait", time.Minute, "how long to wait for the database, and for sessions that lock its tables")
			return func(ctx context.Context, c cli.Call) error {
				return migrate(ctx, c.Settings.DatabaseURL, *dry, *wait, c.Out)
			}
		},
	}
}

// migrate brings the schema up to date and prints to out what it did.
func migrate(ctx context.Context, databaseURL string, dry bool, wait time.Duration, out io.Writer) error {
	box, err := anyBox()
	if err != nil {
		return err
	}
	before, err := resources.Wait(ctx, wait, func() (store.Schema, error) { return schemaOf(ctx, databaseURL, box) })
	if errors.Is(err, store.ErrNoDatabase) {
		before, err = store.Schema{Pending: []string{"everything: there is no such file yet"}}, nil
	}
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	if err := before.Check(); err != nil {
		return err
	}
	switch {
	case before.Database > before.Program:
		_, err = fmt.Fprintf(out, "the schema is at version %d: newer than this program's %d, which it serves\n", before.Database, before.Program)
		return err //nolint:wrapcheck // printing is the last thing it does
	case len(before.Pending) == 0:
		_, err = fmt.Fprintf(out, "the schema is at version %d: nothing to do\n", before.Database)
		return err //nolint:wrapcheck // printing is the last thing it does
	case dry:
		_, err = fmt.Fprintf(out, "the schema is at version %d; to be done:\n  %s\n", before.Database, strings.Join(before.Pending, "\n  "))
		return err //nolint:wrapcheck // printing is the last thing it does
	}
	db, err := resources.Wait(ctx, wait, func() (store.Store, error) { return storeurl.Open(ctx, databaseURL, box) })
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer db.Close() //nolint:errcheck // everything was committed
	after, err := db.Schema(ctx)
	if err != nil {
		return fmt.Errorf("look at the result: %w", err)
	}
	_, err = fmt.Fprintf(out, "the schema went from version %d to %d and serves programs that know version %d or later\n", before.Database, after.Database, after.Serves)
	return err //nolint:wrapcheck // printing is the last thing it does
}

func schemaOf(ctx context.Context, databaseURL string, box secretbox.Box) (store.Schema, error) {
	db, err := storeurl.Attach(ctx, databaseURL, box)
	if err != nil {
		return store.Schema{}, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	return db.Schema(ctx)
}

// anyBox returns a secret box with a key of its own: a schema has no secrets.
func anyBox() (secretbox.Box, error) {
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return secretbox.Parse(key)
}
