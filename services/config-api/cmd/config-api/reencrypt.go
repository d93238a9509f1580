package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

func reencryptCommand() cli.Command {
	return cli.Command{
		Name:    "reencrypt",
		Summary: "Re-encrypt with the first key everything that was encrypted with another one.",
		Help: "It takes the first of DIALNOTE_ENCRYPTION_KEYS; the others must be there to read what they\n" +
			"encrypted. The services may run meanwhile. When it is interrupted, run it again.",
		Needs: []string{"DATABASE_URL", "ENCRYPTION_KEYS"},
		Flags: func(*flag.FlagSet) cli.Run {
			return func(ctx context.Context, c cli.Call) error { return reencrypt(ctx, c.Settings, c.Out) }
		},
	}
}

// batch is how many texts one transaction replaces: few enough that other writers
// do not wait for their rows.
const batch = 200

// reencrypt reseals with the first key everything that was sealed with another
// one, and prints to out what it did. It returns an error when a text could not be
// opened, after resealing all others.
func reencrypt(ctx context.Context, settings config.Settings, out io.Writer) error {
	ring, err := secretbox.Parse(settings.EncryptionKeys)
	if err != nil {
		return fmt.Errorf("%sENCRYPTION_KEYS: %w", config.Prefix, err)
	}
	db, err := storeurl.Current(ctx, settings.DatabaseURL, ring)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer db.Close() //nolint:errcheck // everything was committed
	all, err := resealAll(ctx, db)
	if err != nil {
		return fmt.Errorf("%d were re-encrypted before this; run the command again: %w", all.Done, err)
	}
	if all.Lost > 0 {
		return fmt.Errorf("%d could not be opened and were left as they are; missing keys: %s", all.Lost, orNone(all.Keys))
	}
	_, err = fmt.Fprintf(out, "%d re-encrypted; everything is encrypted with key %s now\n", all.Done, ring.KeyIDs()[0])
	return err //nolint:wrapcheck // printing is the last thing it does
}

func resealAll(ctx context.Context, db store.Sealed) (store.Resealed, error) {
	var all store.Resealed
	for {
		done, err := db.Reseal(ctx, all.Next, batch)
		if err != nil {
			return all, err
		}
		all.Done, all.Lost, all.Next = all.Done+done.Done, all.Lost+done.Lost, done.Next
		for _, key := range done.Keys {
			if !slices.Contains(all.Keys, key) {
				all.Keys = append(all.Keys, key)
			}
		}
		if done.Next == "" {
			return all, nil
		}
	}
}

func orNone(keys []string) string {
	if len(keys) == 0 {
		return "none, so these texts were changed or belong elsewhere"
	}
	return strings.Join(keys, ", ")
}
