package resources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
)

// attachWithin is how long a command waits for the database and the broker.
const attachWithin = 10 * time.Second

// Attach opens both for a command. It changes neither the schema nor the streams,
// whose settings a command need not know. It returns an error when one of them
// does not answer within ten seconds, and those of storeurl.Current.
func Attach(ctx context.Context, s config.Settings, nats stream.Settings, log *slog.Logger) (*Resources, error) {
	box, err := secretbox.Parse(s.EncryptionKeys)
	if err != nil {
		return nil, fmt.Errorf("%sENCRYPTION_KEYS: %w", config.Prefix, err)
	}
	conn, err := stream.Connect(nats, log)
	if err != nil {
		return nil, fmt.Errorf("settings of NATS: %w", err)
	}
	db, err := Wait(ctx, attachWithin, func() (store.Store, error) { return storeurl.Current(ctx, s.DatabaseURL, box) })
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	b := &Resources{Store: db, Stream: conn}
	if _, err := Wait(ctx, attachWithin, func() (struct{}, error) { return struct{}{}, conn.Ready(ctx) }); err != nil {
		b.Close(log)
		return nil, fmt.Errorf("reach NATS: %w", err)
	}
	return b, nil
}

// Wait calls do until it returns anything but Unavailable, at most for so long,
// and returns what it returned last.
func Wait[T any](ctx context.Context, most time.Duration, do func() (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var (
		result T
		last   error
	)
	err := backoff.RetryUnavailable(bounded, slog.New(slog.DiscardHandler), backoff.Broker, "", func() error {
		result, last = do()
		return last
	})
	if errors.Is(err, context.DeadlineExceeded) && fault.Is(last, fault.Unavailable) {
		err = last // says more
	}
	return result, err
}
