// Package outbox sends notices of webhooks to the platform. A notice is written
// into the database with the change that it reports; from there any replica of
// any service publishes it, and removes it when the broker has stored it.
package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/webhook"
)

const (
	// sweepEvery bounds how long a notice waits when its writer died before it
	// could send it.
	sweepEvery = 10 * time.Second

	// retryAfter is the pause while a notice cannot be sent.
	retryAfter = time.Second

	// batch is how many notices are taken at once.
	batch = 100

	// lastRound bounds the sending of what was written until the stop.
	lastRound = 2 * time.Second
)

// Store keeps the notices; store.Notices says what the methods promise.
type Store interface {
	PendingNotices(ctx context.Context, limit int) ([]webhook.Notice, error)
	DropNotices(ctx context.Context, ids []string) error
}

// Publisher stores a notice where the platform reads it. The same notice again
// changes nothing.
type Publisher interface {
	Notify(ctx context.Context, n webhook.Notice) error
}

// Outbox sends notices. Safe for concurrent use; several may work on one
// database.
type Outbox struct {
	store     Store
	publisher Publisher
	log       *slog.Logger
	sent      *prometheus.CounterVec
	wake      backoff.Signal // holds a token when there may be something to send
}

// New returns an outbox; Run must be running for it to send. It returns an
// error when the registry refuses its metric; two outboxes of one process may
// share a registry.
func New(store Store, publisher Publisher, registerer prometheus.Registerer, log *slog.Logger) (*Outbox, error) {
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dialnote_notices_sent_total",
		Help: "Notices to the platform that the broker has acknowledged, by kind.",
	}, []string{"kind"})
	if err := registerer.Register(sent); err != nil {
		registered, isTwin := err.(prometheus.AlreadyRegisteredError) //nolint:errorlint // Register returns it bare
		if !isTwin {
			return nil, fmt.Errorf("register the metric of notices: %w", err)
		}
		twin, isTwin := registered.ExistingCollector.(*prometheus.CounterVec)
		if !isTwin {
			return nil, fmt.Errorf("register the metric of notices: %w", err)
		}
		sent = twin
	}
	for _, kind := range []webhook.NoticeKind{webhook.NoticeAutoDisabled, webhook.NoticeEnabled, webhook.NoticeDeleted, webhook.NoticeRecovered} {
		sent.WithLabelValues(string(kind)) // there from the start
	}
	return &Outbox{store: store, publisher: publisher, log: log, sent: sent, wake: backoff.NewSignal()}, nil
}

// Wake makes Run look for notices now. It does not block.
func (o *Outbox) Wake() { o.wake.Set() }

// Run sends notices until ctx ends, and then, for two seconds at most, those that
// were written before. The next sweep of any replica sends the rest.
func (o *Outbox) Run(ctx context.Context) {
	troubled := false
	for ctx.Err() == nil {
		err := o.drain(ctx)
		pause := sweepEvery
		switch {
		case err == nil:
			if troubled {
				o.log.Info("notices sent again")
			}
			troubled = false
		case ctx.Err() == nil:
			if pause = retryAfter; !troubled {
				o.log.Warn("notices not sent, retrying", slog.Any("error", err))
			}
			troubled = true
		}
		if troubled { // Wake does not shorten the pause after a failure
			backoff.Sleep(ctx, pause)
		} else {
			o.wake.Sleep(ctx, pause)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRound)
	defer cancel()
	_ = o.drain(last) // the next sweep of any replica takes what is left
}

// drain sends all notices, in order. Those behind one that cannot be sent wait
// with it.
func (o *Outbox) drain(ctx context.Context) error {
	for {
		notices, err := o.store.PendingNotices(ctx, batch)
		if err != nil || len(notices) == 0 {
			return err
		}
		sent, err := o.send(ctx, notices)
		if dropErr := o.store.DropNotices(ctx, sent); dropErr != nil {
			return dropErr
		}
		if err != nil {
			return err
		}
	}
}

// send publishes notices until one fails and returns the ids of those before.
func (o *Outbox) send(ctx context.Context, notices []webhook.Notice) (sent []string, err error) {
	for _, n := range notices {
		if err := o.publisher.Notify(ctx, n); err != nil {
			return sent, err
		}
		o.sent.WithLabelValues(string(n.Kind)).Inc()
		sent = append(sent, n.ID)
	}
	return sent, nil
}
