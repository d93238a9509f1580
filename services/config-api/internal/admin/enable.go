package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Outage says which webhooks an outage of our own has disabled, and what to do
// with them.
type Outage struct {
	OrganizationID string    // "" for all
	Since          time.Time // disabled then or later; zero for whenever that was
	Discard        bool      // the events that wait for them, in place of delivering them
	DryRun         bool      // change nothing
}

// Enabled is the result for one webhook.
type Enabled struct {
	Webhook    webhook.Webhook // as it was
	DisabledAt time.Time       // zero when the audit log no longer has it
	Held       *int64          // how many events waited, nil when they could not be counted
	Refused    string          // why it was not enabled, in words; "" when it was
}

// Enable enables the webhooks that were disabled automatically for failures, as
// their owners could. It passes over a webhook whose endpoint answered 410 Gone,
// because no outage of ours causes that. It calls done with each webhook that was
// disabled automatically in the given time. Once it returns an error the rest is
// left as it is; calling it again does no harm.
func (o *Operator) Enable(ctx context.Context, out Outage, done func(Enabled) error) error {
	return o.each(ctx, store.Selection{OrganizationID: out.OrganizationID, AutoDisabled: true}, func(w webhook.Webhook) error {
		if w.Status() != webhook.StatusAutoDisabled {
			return nil
		}
		at, err := o.disabledAt(ctx, w)
		if err != nil {
			return err
		}
		if at.Before(out.Since) {
			return nil
		}
		e, err := o.enable(ctx, w, out)
		if err != nil {
			return err
		}
		e.DisabledAt = at
		return done(e)
	}, func(w webhook.Webhook, why string) error { return done(Enabled{Webhook: w, Refused: why}) })
}

func (o *Operator) enable(ctx context.Context, w webhook.Webhook, out Outage) (Enabled, error) {
	if w.Health.AutoDisabled == webhook.DisabledAsGone {
		return Enabled{Webhook: w, Refused: "Its endpoint answered 410 Gone."}, nil
	}
	view, err := o.Manage.Get(ctx, w.OrganizationID, w.ID)
	if err == nil && !out.DryRun {
		_, err = o.Manage.Enable(ctx, o.By, w.OrganizationID, w.ID, out.Discard)
	}
	switch {
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound): // its owner disabled or deleted it just now
		return Enabled{Webhook: w, Refused: fault.Of(err).Detail}, nil
	case err != nil:
		return Enabled{}, fmt.Errorf("enable webhook %s: %w", w.ID, err)
	}
	return Enabled{Webhook: w, Held: view.Held}, nil
}

// disabledAt returns when a webhook was last disabled automatically. It reads the
// audit log, because a webhook's UpdatedAt changes for other reasons too.
func (o *Operator) disabledAt(ctx context.Context, w webhook.Webhook) (time.Time, error) {
	filter := audit.Filter{Action: audit.WebhookAutoDisabled, WebhookID: w.ID}
	for page := (store.Page{Limit: 1}); ; {
		last, next, err := o.Manage.Audit.ListEntries(ctx, w.OrganizationID, filter, page)
		switch {
		case err != nil:
			return time.Time{}, fmt.Errorf("read when webhook %s was disabled: %w", w.ID, err)
		case len(last) > 0:
			return last[0].At, nil
		case next == "":
			return time.Time{}, nil
		}
		page.After = next
	}
}
