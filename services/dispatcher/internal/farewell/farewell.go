// Package farewell tells Zapier of its webhooks that were deleted on our side,
// by a DELETE of their URLs: best effort, and through the same guard and
// deadline as any request.
package farewell

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
)

const (
	// atOnce is how many farewells one replica says at a time.
	atOnce = 8

	// pullWait is how long a pull waits for the next one, and so how much a stop
	// may wait for it.
	pullWait = time.Second
)

// Stream is where farewells wait.
type Stream interface {
	UnsubscribeRequests(ctx context.Context) (*stream.UnsubscribeRequests, error)
}

// Speaker says farewells.
type Speaker struct {
	Stream Stream
	Sender deliver.Sender
	Log    *slog.Logger
}

// Run says farewells until ctx ends, and then waits for those under way. work
// is the context of the requests.
func (s *Speaker) Run(ctx, work context.Context) {
	var waiting *stream.UnsubscribeRequests
	err := backoff.Retry(ctx, s.Log, backoff.Broker, "open the stream of farewells", func() (err error) {
		waiting, err = s.Stream.UnsubscribeRequests(ctx)
		return err
	})
	for err == nil && ctx.Err() == nil {
		var saying sync.WaitGroup
		_, pullErr := waiting.Pull(ctx, atOnce, pullWait, func(m *stream.Message) {
			saying.Go(func() { s.say(work, m) })
		})
		saying.Wait()
		if pullErr != nil {
			backoff.Sleep(ctx, backoff.Pause(2))
		}
	}
}

// say sends one DELETE, and gives the message back when Zapier could not be
// reached. It then comes again, at most until it is an hour old.
func (s *Speaker) say(ctx context.Context, m *stream.Message) {
	defer m.KeepAlive()()
	f, err := stream.ParseUnsubscribeRequest(m)
	if err != nil {
		s.Log.Error("a farewell cannot be read", slog.Any("error", err))
		_ = m.Ack() // nobody can
		return
	}
	out := s.Sender.Send(ctx, egress.Request{
		Method: http.MethodDelete, URL: f.URL, Fields: delivery.Fields{{Name: "X-DialNote-Provider", Value: "zapier"}},
	})
	again := pause(out, m.Deliveries)
	log := s.Log.With(slog.String("webhookId", f.WebhookID), slog.Int("statusCode", out.StatusCode),
		slog.String("reason", string(out.Reason)), slog.Duration("again", again))
	switch {
	case out.Result == "": // stopped: another replica takes it
		_ = m.Return(0)
	case again > 0:
		log.Info("Zapier was not told of a deleted webhook; trying again")
		_ = m.Return(again) // when it is lost, the message comes again anyway
	default:
		log.Info("Zapier was told of a deleted webhook")
		_ = m.Ack()
	}
}

// pause returns how long to wait before a farewell is said again, 0 for never:
// what Zapier answers is an answer, also that it does not know the URL.
func pause(out delivery.Outcome, times uint64) time.Duration {
	if out.Result == delivery.Succeeded || !out.Reason.HoldsEndpoint() || out.Reason == delivery.ReasonBlockedAddress {
		return 0
	}
	return backoff.Exponential(10*time.Second, 10*time.Minute, int(times)) //nolint:gosec // a message is an hour old at most
}
