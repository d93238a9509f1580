package httpapi

import (
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// present returns a webhook as the API shows it. It never holds the secret.
func present(v manage.View) api.Webhook {
	w := api.Webhook{
		ID:             v.ID,
		OrganizationID: v.OrganizationID,
		Name:           v.Name,
		Provider:       api.Provider(v.Provider),
		URL:            v.URL,
		Event:          api.EventSetting(v.Event),
		Ordered:        v.Ordered(),
		Headers:        presentHeaders(v.Headers),
		Status:         api.WebhookStatus(v.Status()),
		FailureCount:   int64(v.Health.FailureCount),
		LastSentAt:     presentTime(v.Health.LastSentAt),
		LastError:      presentFailure(v.Health.LastError),
		NextAttemptAt:  presentTime(v.Health.HoldUntil),
		HeldEvents:     v.Held,
		CreatedAt:      v.CreatedAt.UTC(),
		UpdatedAt:      v.UpdatedAt.UTC(),
		Version:        v.Version,
	}
	if v.Status() == webhook.StatusAutoDisabled {
		reason := api.WebhookDisabledReason(v.Health.AutoDisabled)
		w.DisabledReason = &reason
	}
	if v.SuggestsZapier {
		zapier := api.WebhookSuggestedProviderZapier
		w.SuggestedProvider = &zapier
	}
	return w
}

func presentTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func presentFailure(f *webhook.Failure) *api.LastError {
	if f == nil {
		return nil
	}
	e := &api.LastError{At: f.At.UTC(), Reason: api.FailureReason(f.Reason), Message: f.Message}
	if f.StatusCode != 0 {
		e.StatusCode = &f.StatusCode
	}
	return e
}

// created is the answer to a creation: the only webhook with its secret.
type created struct {
	api.Webhook
	Secret api.Secret `json:"secret"`
}
