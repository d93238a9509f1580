// Package manage implements the operations on webhooks. The JSON API and the page
// call the same functions, so that there is one set of rules.
package manage

import (
	"context"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Service has the operations as methods. Its fields do not change once it is in
// use.
type Service struct {
	Webhooks    store.Webhooks
	Deliveries  store.Deliveries
	DeliveryLog store.Log
	Recoveries  store.Recoveries
	Stream      Stream
	Fleet       Fleet

	Rules           webhook.Rules
	MaxWebhooks     int           // of an organization
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

	// Held is how many events wait, nil when they cannot be counted at the moment.
	Held *int64

	// SuggestsZapier says that the Zapier provider would fit better.
	SuggestsZapier bool
}

// view adds the numbers of held events to webhooks. While the broker is away they
// are unknown, and the webhooks can still be read.
func (s *Service) view(ctx context.Context, ws ...webhook.Webhook) []View {
	held, err := s.Stream.HeldEach(ctx, ws)
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
