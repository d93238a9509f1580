package ordered_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/ordered"
)

// An event is acknowledged once Follow has returned nil. So by then the server
// must keep the webhook's place, also when this replica does not read: not yet,
// or no longer.
func TestFollowKeepsThePlaceBeforeTheReplicaReads(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	o := &ordered.Ordered{Stream: conn, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	w := webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Event: webhook.SendCallLogs, OrderedFrom: 1}
	for range 2 {
		if err := o.Follow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	places, err := conn.Places(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(places) != 1 || places[0].WebhookID != "wh_1" || places[0].OrganizationID != "acme" || places[0].OrderedFrom != 1 {
		t.Errorf("the places are %+v", places)
	}
}

func TestFollowSaysWhenThePlaceIsNotKept(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	o := &ordered.Ordered{Stream: broken{err: away}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	if err := o.Follow(t.Context(), webhook.Webhook{ID: "wh_1", OrderedFrom: 1}); !errors.Is(err, away) {
		t.Errorf("error is %v, want the stream's", err)
	}
	if _, err := o.Behind(t.Context(), webhook.Webhook{ID: "wh_1", OrderedFrom: 1}); !errors.Is(err, away) {
		t.Errorf("error is %v, want the stream's", err)
	}
}

// broken is a stream that cannot be reached.
type broken struct{ err error }

func (b broken) OpenOrdered(context.Context, webhook.Webhook, time.Time) (*stream.Lane, error) {
	return nil, b.err
}
func (b broken) Waiting(context.Context, webhook.Webhook) (uint64, error) { return 0, b.err }
func (b broken) Places(context.Context) ([]stream.Place, error)           { return nil, b.err }
func (b broken) RemovePlace(context.Context, stream.Place) error          { return b.err }
