// Package manage is what people and programs do with webhooks. The JSON API
// and the page call the same functions, so that there is one set of rules.
package manage

import (
	"context"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Webhooks is the part of the store that is needed here; store.Webhooks says
// what each method promises.
type Webhooks interface {
	Create(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) error
	Subscribe(ctx context.Context, by audit.Actor, w webhook.Webhook, limit int) (webhook.Webhook, error)
	Get(ctx context.Context, organizationID, id string) (webhook.Webhook, error)
	List(ctx context.Context, organizationID string, page store.Page) ([]webhook.Webhook, string, error)
	All(ctx context.Context, organizationID string) ([]webhook.Webhook, error)
	Update(ctx context.Context, by audit.Actor, organizationID, id string, version int64, change func(webhook.Webhook) (webhook.Webhook, error)) (webhook.Webhook, error)
	Delete(ctx context.Context, by audit.Actor, organizationID, id string, version int64) (webhook.Webhook, error)
}

// Changes tells the dispatchers about changes.
type Changes interface {
	// Announce tells every dispatcher that a webhook was created, changed or
	// deleted. With wait it returns only when none of them can act on what it
	// knew before.
	Announce(ctx context.Context, organizationID, webhookID string, wait bool) error
}

// Held knows the events that wait for webhooks on hold or disabled
// automatically.
type Held interface {
	// Held returns how many events wait for each of the webhooks, by their ids.
	// One without any need not be in the map.
	Held(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error)

	// Next returns the sequence that the event stream gives to the next event.
	Next(ctx context.Context) (uint64, error)

	// Discard removes the events that wait for a webhook, for good.
	Discard(ctx context.Context, webhookID string) error
}

// Publisher stores events for the dispatchers.
type Publisher interface {
	// Publish returns nil once e is stored safely. The same event id of the
	// same organization again is the same event.
	Publish(ctx context.Context, e event.Event) error
}

// Service does it. Its fields do not change once it is in use.
type Service struct {
	Webhooks    Webhooks
	Changes     Changes
	Held        Held
	Publisher   Publisher
	Rules       webhook.Rules
	MaxWebhooks int // of an organization

	Deliveries      Deliveries
	DeliveryLog     store.Log
	Recoveries      Recoveries
	History         History
	Tester          Tester
	Unsubscriber    Unsubscriber
	DeliveryTimeout time.Duration // one attempt's deadline

	Access    store.Access
	Audit     store.Audit
	PublicURL string // where browsers find the service, without a slash at its end

	Now    func() time.Time
	Log    *slog.Logger
	Tracer *trace.Tracer // nil for none
}

// View is a webhook as it is shown.
type View struct {
	webhook.Webhook

	// Held is how many events wait, nil when that cannot be told at the moment.
	Held *int64

	// SuggestsZapier tells that the Zapier provider would fit better.
	SuggestsZapier bool
}

// view adds to webhooks what is kept elsewhere. A broker that is away leaves
// the numbers of held events unknown; the webhooks can still be read.
func (s *Service) view(ctx context.Context, ws ...webhook.Webhook) []View {
	held, err := s.Held.Held(ctx, ws)
	if err != nil {
		s.Log.WarnContext(ctx, "held events not counted", slog.Any("error", err))
	}
	views := make([]View, 0, len(ws))
	for _, w := range ws {
		v := View{Webhook: w, SuggestsZapier: s.Rules.SuggestsZapier(w)}
		if err == nil {
			n := held[w.ID]
			v.Held = &n
		}
		views = append(views, v)
	}
	return views
}

// now returns the time with the precision that is kept.
func (s *Service) now() time.Time { return delivery.Recordable(s.Now()) }
