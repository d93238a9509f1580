package manage

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// zapierSamples is how many events a list of samples has at most: Zapier shows
// three.
const zapierSamples = 3

// Subscription is the request of a Zap that is turned on.
type Subscription struct {
	TargetURL string
	Event     event.Type
	Name      string // of the Zap, blank when it does not say
}

// Subscribe makes the webhook of a Zap. The same URL and event again is the
// same webhook, which is active again if it was disabled automatically: Zapier
// repeats what it got no answer to. wrong are fields already known to be wrong;
// the errors are Create's, with the request's own pointers.
func (s *Service) Subscribe(ctx context.Context, by audit.Actor, organizationID string, sub Subscription, wrong []fault.Field) (webhook.Webhook, error) {
	d := webhook.Draft{Name: sub.Name, Provider: webhook.Zapier, URL: sub.TargetURL, Event: webhook.Setting(sub.Event)}
	if webhook.Trim(d.Name) == "" {
		d.Name = "Zap: " + string(sub.Event)
	}
	w, broken, err := s.newWebhook(organizationID, d)
	if err != nil {
		return webhook.Webhook{}, err
	}
	for i := range broken {
		if broken[i].Pointer == "/url" {
			broken[i].Pointer = "/targetUrl"
		}
	}
	if err := invalid(wrong, broken); err != nil {
		return webhook.Webhook{}, err
	}
	kept, err := s.Webhooks.Subscribe(ctx, by, w, s.MaxWebhooks)
	switch {
	case err != nil:
		return webhook.Webhook{}, fmt.Errorf("subscribe webhook %s: %w", w.ID, err)
	case kept.ID == w.ID:
		s.announceNew(ctx, w)
		return w, nil
	case kept.Status() == webhook.StatusActive:
		return kept, nil
	}
	v, err := s.Enable(ctx, by, organizationID, kept.ID, false)
	return v.Webhook, err
}

// Unsubscribe removes the webhook of a Zap that is turned off. It returns nil when
// there is none, or when it is none of Zapier's: Zapier shows any error to its user
// as a failure.
func (s *Service) Unsubscribe(ctx context.Context, by audit.Actor, organizationID, id string) error {
	if !isID(id) {
		return nil
	}
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err == nil && w.Provider == webhook.Zapier {
		_, err = s.Webhooks.Delete(ctx, by, organizationID, id, 0)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return fmt.Errorf("unsubscribe webhook %s: %w", id, err)
	case w.Provider != webhook.Zapier:
		return nil
	}
	// The webhook is gone. Zapier could do nothing about an error from here on.
	if err := s.settleDelete(ctx, w); err != nil {
		s.Log.WarnContext(ctx, "deletion not announced", slog.String("webhookId", id), slog.Any("error", err))
	}
	return nil
}

// isID reports whether a text could be a webhook's id.
func isID(text string) bool {
	rest, is := strings.CutPrefix(text, "wh_")
	return is && len(rest) == ulid.EncodedSize && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}

// requestUnsubscribe asks the dispatchers to tell Zapier that a webhook was deleted
// on our side, so that Zapier pauses the Zap. It logs an error and goes on.
func (s *Service) requestUnsubscribe(ctx context.Context, w webhook.Webhook) {
	if w.Provider != webhook.Zapier {
		return
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	request := stream.UnsubscribeRequest{OrganizationID: w.OrganizationID, WebhookID: w.ID, URL: w.URL}
	if err := s.Stream.PublishUnsubscribeRequest(ctx, request); err != nil {
		s.Log.WarnContext(ctx, "unsubscribe request not stored", slog.String("webhookId", w.ID), slog.Any("error", err))
	}
}

// Samples returns events of a type as JSON, as they are delivered: the
// organization's latest, newest first, or a made-up one when there are none, or
// when they cannot be read.
func (s *Service) Samples(ctx context.Context, organizationID string, t event.Type) [][]byte {
	limited, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	latest, err := s.Stream.Latest(limited, organizationID, t, zapierSamples)
	if err != nil {
		s.Log.WarnContext(ctx, "latest events not read", slog.Any("error", err))
	}
	samples := make([][]byte, 0, zapierSamples)
	for _, m := range latest {
		if e, err := m.Event(); err == nil {
			samples = append(samples, e.Body())
		}
	}
	if len(samples) == 0 {
		samples = append(samples, event.Sample(t, organizationID, "evt_sample", s.Now()).Body())
	}
	return samples
}
