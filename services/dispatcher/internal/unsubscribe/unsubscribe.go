// Package unsubscribe sends Zapier a DELETE of a webhook's URL when the webhook was
// deleted on our side. It does not promise that Zapier receives it. The request has
// the same guard and deadline as any other.
package unsubscribe

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/share"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
)

const (
	// batchSize is how many requests one pull asks for.
	batchSize = 32

	// pullWait is how long one pull waits for a message, and so how long a stop
	// may wait for the pull.
	pullWait = time.Second

	// heldBackFor is how long a request goes back to the stream when its
	// organization has its share of those that are sent and of those that wait here.
	heldBackFor = 10 * time.Second
)

// Unsubscriber sends the requests that wait in the stream.
type Unsubscriber struct {
	Stream *stream.Conn
	Sender deliver.Sender
	Log    *slog.Logger

	// Places bound the requests that are sent at once and those that wait for that,
	// of which each organization has its share.
	Places *share.Pool
}

// Run sends requests until ctx ends, and returns when those under way have
// ended. work is the context of the requests.
func (u *Unsubscriber) Run(ctx, work context.Context) {
	var waiting *stream.UnsubscribeRequests
	err := backoff.Retry(ctx, u.Log, backoff.Broker, "open the stream of unsubscribe requests", func() (err error) {
		waiting, err = u.Stream.UnsubscribeRequests(ctx)
		return err
	})
	var sending sync.WaitGroup
	defer sending.Wait()
	for err == nil && ctx.Err() == nil {
		err = backoff.Retry(ctx, u.Log, backoff.Broker, "pull unsubscribe requests", func() error {
			_, err := waiting.Pull(ctx, batchSize, pullWait, func(m *stream.Message) {
				sending.Go(func() { u.take(ctx, work, m) })
			})
			return err
		})
	}
}

// take sends a request when its organization may have one more sent. Until ctx ends
// it waits for that.
func (u *Unsubscriber) take(ctx, work context.Context, m *stream.Message) {
	defer m.KeepAlive()()
	r, err := stream.ParseUnsubscribeRequest(m)
	if err != nil {
		u.Log.Error("unsubscribe request not readable, discarded", slog.Any("error", err))
		_ = m.Ack()
		return
	}
	switch err := u.Places.Acquire(ctx, r.OrganizationID, 1); {
	case ctx.Err() != nil && err != nil: // this replica stops; another takes the message
		_ = m.Return(0)
	case err != nil:
		_ = m.Return(heldBackFor)
	default:
		defer u.Places.Release(r.OrganizationID, 1)
		u.unsubscribe(work, m, r)
	}
}

// unsubscribe sends one DELETE. When Zapier cannot be reached it returns the
// message to the stream, which delivers it again until it is an hour old.
func (u *Unsubscriber) unsubscribe(ctx context.Context, m *stream.Message, r stream.UnsubscribeRequest) {
	out := u.Sender.Send(ctx, egress.Request{
		Method: http.MethodDelete, URL: r.URL, Organization: r.OrganizationID,
		Fields: delivery.Fields{{Name: "X-DialNote-Provider", Value: "zapier"}},
	})
	again := pause(out, m.Deliveries)
	log := u.Log.With(slog.String("webhookId", r.WebhookID), slog.Int("statusCode", out.StatusCode), slog.String("reason", string(out.Reason)))
	switch {
	case out.Result == "": // this replica stops; another takes the message
		_ = m.Return(0)
	case again > 0:
		log.Info("zapier not reachable, retrying to unsubscribe", slog.Duration("after", again))
		_ = m.Return(again) // a message whose return is lost comes again when its time to acknowledge is over
	default:
		log.Info("zapier unsubscribed")
		_ = m.Ack()
	}
}

// pause returns how long to wait before a request is sent again, or 0 when it is
// not: whatever Zapier answers is final, also that it does not know the URL.
func pause(out delivery.Outcome, times uint64) time.Duration {
	if out.Result == delivery.Succeeded || !out.Reason.HoldsEndpoint() || out.Reason == delivery.ReasonBlockedAddress {
		return 0
	}
	return backoff.Exponential(10*time.Second, 10*time.Minute, int(times)) //nolint:gosec // a message is an hour old at most
}
