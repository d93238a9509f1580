package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
	"github.com/dialnote/webhooks/services/dispatcher/internal/recovery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/tester"
)

// tests makes what people ask for by the Test button.
func (a *App) tests(matcher *match.Matcher, deliverer *deliver.Deliverer) *stream.TestService {
	t := &tester.Tester{
		Matcher: matcher, Sender: a.deps.Sender, Deliverer: deliverer,
		UserAgent: delivery.UserAgent(cli.Version()), Now: time.Now, Tracer: a.deps.Tracer,
	}
	return a.deps.Stream.NewTestService(a.deps.Log, t.Test)
}

// offerTests answers tests until ctx ends. A replica that cannot still delivers.
func (a *App) offerTests(ctx, work context.Context, tests *stream.TestService) {
	if err := tests.Run(ctx, work); err != nil {
		a.deps.Log.Error("tests are not answered here", slog.Any("error", err))
		<-ctx.Done()
	}
}

// recoveries delivers what people ask for because it was missed.
func (a *App) recoveries(matcher *match.Matcher, deliverer *deliver.Deliverer) *recovery.Runner {
	return &recovery.Runner{
		Replica: a.replica, Store: a.deps.Store, Stream: a.deps.Stream, Matcher: matcher, Deliverer: deliverer,
		PendingTime: a.cfg.DeliveryTimeout + recordGrace, Now: time.Now, Log: a.deps.Log,
	}
}
