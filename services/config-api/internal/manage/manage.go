// Package manage implements the operations on webhooks. The JSON API and the page
// call the same functions, so that there is one set of rules.
package manage

import (
	"context"
	"fmt"
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
	Waiting     store.Waiting
	Stream      Stream
	Fleet       Fleet
	Admission   Admission

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
	held, err := s.held(ctx, ws)
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

// held counts what waits for webhooks: in the database, and in the streams.
func (s *Service) held(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error) {
	var waiting []string
	for _, w := range ws {
		if w.Waiting {
			waiting = append(waiting, w.ID)
		}
	}
	kept, err := s.Waiting.CountWaiting(ctx, waiting)
	if err != nil {
		return nil, fmt.Errorf("count waiting deliveries: %w", err)
	}
	held, err := s.Stream.HeldEach(ctx, ws)
	if err != nil {
		return nil, fmt.Errorf("count held deliveries: %w", err)
	}
	for id, n := range held {
		kept[id] += n
	}
	return kept, nil
}

// now returns the time with the precision that is kept.
func (s *Service) now() time.Time { return delivery.Recordable(s.Now()) }
