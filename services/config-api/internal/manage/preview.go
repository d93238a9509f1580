package manage

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// PreviewTest returns the request that a test of a webhook would send now,
// signed, without sending it. body is as in Test. Of the headers that the
// webhook's owner had added it has the names. It returns NotFound, or a Conflict
// for a webhook that sends no event.
func (s *Service) PreviewTest(ctx context.Context, organizationID, id string, body []byte) (delivery.Request, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return delivery.Request{}, fmt.Errorf("get webhook %s: %w", id, err)
	}
	if w.Status() == webhook.StatusDisabled {
		return delivery.Request{}, fault.New(fault.Conflict, "webhook-not-active", notActive(w))
	}
	now := s.Now()
	e, err := event.ParseTest(body, event.Type(w.Event), organizationID, now)
	if err != nil {
		return delivery.Request{}, fmt.Errorf("read test: %w", err)
	}
	d := delivery.Of(e, e.Body(), w.ID, 0, now)
	return *requestOf(w, d, delivery.Attempt{URL: sentURL(w), StartedAt: now, HeaderNames: webhook.HeaderNames(w.Headers)}), nil
}

// sentURL returns a webhook's URL as requests have it, or as it was typed when
// the rules of its time allowed what cannot be sent any more.
func sentURL(w webhook.Webhook) string {
	normal, err := endpoint.Normal(w.URL)
	if err != nil {
		return w.URL
	}
	return normal.String()
}

// CheckDraft returns what is wrong with each field of a new webhook, without
// making one.
func (s *Service) CheckDraft(organizationID string, d webhook.Draft) []fault.Field {
	// The secret does not matter here.
	_, wrong := s.Rules.New("", organizationID, "", d, s.now())
	return wrong
}

// CheckChange returns what is wrong with each changed field of a webhook,
// without changing it, or NotFound.
func (s *Service) CheckChange(ctx context.Context, organizationID, id string, c webhook.Change) ([]fault.Field, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return nil, fmt.Errorf("get webhook %s: %w", id, err)
	}
	_, wrong := s.Rules.Apply(w, c, s.now())
	return wrong, nil
}

// CheckSignature says of each signature of a received request whether it matches
// the webhook's secret and, if not, why, or returns NotFound. For a body that was
// changed it returns the one that was sent, when that is still kept. Its result
// holds nothing of a secret.
func (s *Service) CheckSignature(ctx context.Context, organizationID, id string, r signature.Received) (findings []signature.Diagnosis, sent []byte, err error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return nil, nil, fmt.Errorf("get webhook %s: %w", id, err)
	}
	all, err := s.Webhooks.All(ctx, organizationID)
	if err != nil {
		return nil, nil, fmt.Errorf("list webhooks: %w", err)
	}
	known := signature.Known{Secret: w.Secret, Others: make(map[string]webhook.Secret, len(all))}
	for _, other := range all {
		if other.ID != id {
			known.Others[other.Name] = other.Secret
		}
	}
	known.Sent = s.sentBody(ctx, organizationID, id, r)
	findings, err = signature.Diagnose(r, known, s.Now())
	if err != nil {
		return nil, nil, fmt.Errorf("check signature for webhook %s: %w", id, err)
	}
	return findings, known.Sent, nil
}

// sentBody returns the body of the delivery that a received request names, nil when
// that cannot be read.
func (s *Service) sentBody(ctx context.Context, organizationID, webhookID string, r signature.Received) []byte {
	eventID := r.Standard.ID
	if eventID == "" {
		eventID = event.ClaimedID(r.Body)
	}
	if eventID == "" {
		return nil
	}
	v, err := s.Delivery(ctx, organizationID, webhookID, delivery.ID(webhookID, eventID), "")
	if err != nil {
		return nil // the check does not need it
	}
	for _, e := range v.Entries {
		if e.Request != nil && e.Request.Body != nil {
			return e.Request.Body
		}
	}
	return nil
}
