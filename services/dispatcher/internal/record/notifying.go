package record

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/stream"
)

// maxActivity is how many attempts of one organization a message has after a
// commit. People cannot read more; the message says that there are more.
const maxActivity = 100

// Notifier sends a message to the watchers of an organization.
type Notifier interface {
	PublishActivity(organizationID string, a stream.Activity) error
}

// Outbox is woken when a notice may have been written.
type Outbox interface{ Wake() }

// NotifyingStore is a Store that notifies the watchers of what it has recorded,
// with one message for each organization of a batch, and wakes the outbox. This is
// best effort and never holds up or fails the recording: it is not known whether an
// organization has watchers.
type NotifyingStore struct {
	Store    Store
	Notifier Notifier
	Outbox   Outbox
	Log      *slog.Logger

	unnotified atomic.Bool // so that a broker that is away is logged once
}

// Record records and notifies.
func (s *NotifyingStore) Record(ctx context.Context, policy delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	recorded, err := s.Store.Record(ctx, policy, attempts)
	if err != nil {
		return nil, err
	}
	for organization, a := range byOrganization(attempts, recorded) {
		s.notify(organization, *a)
	}
	if slices.ContainsFunc(recorded, noticed) {
		s.Outbox.Wake()
	}
	return recorded, nil
}

func (s *NotifyingStore) notify(organization string, a stream.Activity) {
	err := s.Notifier.PublishActivity(organization, a)
	if err != nil && !s.unnotified.Swap(true) {
		s.Log.Warn("watchers not notified of deliveries", slog.Any("error", err))
	}
	if err == nil {
		s.unnotified.Store(false)
	}
}

// noticed reports whether an attempt did what the platform has a notice of.
func noticed(r delivery.Step) bool {
	return r.Found && (r.Decision.Action == delivery.Remove || r.Before.Health.AutoDisabled != r.After.Health.AutoDisabled)
}

// byOrganization returns what was recorded of each organization.
func byOrganization(attempts []delivery.Attempt, recorded []delivery.Step) map[string]*stream.Activity {
	all := make(map[string]*stream.Activity)
	for i, r := range recorded {
		if !r.Found {
			continue
		}
		a := all[r.Before.OrganizationID]
		if a == nil {
			a = &stream.Activity{}
			all[r.Before.OrganizationID] = a
		}
		if len(a.Attempts) == maxActivity {
			a.More = true
			continue
		}
		a.Attempts = append(a.Attempts, short(&attempts[i], r.Decision.Status))
	}
	return all
}

func short(a *delivery.Attempt, status delivery.Status) stream.RecordedAttempt {
	return stream.RecordedAttempt{
		WebhookID: a.WebhookID, DeliveryID: a.DeliveryID, EventID: a.EventID, EventType: a.EventType,
		Status: status, Number: a.Number, Test: a.Test, Reason: a.Outcome.Reason, StatusCode: a.Outcome.StatusCode,
		StartedAt: delivery.Recordable(a.StartedAt), EndedAt: delivery.Recordable(a.EndedAt),
	}
}
