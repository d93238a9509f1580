package manage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// settleWithin bounds the work after a change that is already saved: announcing it
// and discarding events. It goes on when the caller has left.
const settleWithin = 10 * time.Second

// errUnchanged ends an update that would change nothing, so that the version
// stays.
var errUnchanged = errors.New("nothing changed")

// Create makes a webhook of an organization. wrong are fields already known to
// be wrong; all wrong fields are reported together as an Invalid fault. ordered
// makes it an ordered webhook, which needs the broker. It returns a Conflict when
// the organization has as many webhooks as it may.
func (s *Service) Create(ctx context.Context, by audit.Actor, organizationID string, d webhook.Draft, ordered bool, wrong []fault.Field) (View, error) {
	w, broken, err := s.newWebhook(organizationID, d)
	if err != nil {
		return View{}, err
	}
	if err := invalid(wrong, broken); err != nil {
		return View{}, err
	}
	if ordered {
		if w.OrderedFrom, err = s.Stream.NextSequence(ctx); err != nil {
			return View{}, fmt.Errorf("place webhook %s in the event stream: %w", w.ID, err)
		}
	}
	if err := s.Webhooks.Create(ctx, by, w, s.MaxWebhooks); err != nil {
		return View{}, fmt.Errorf("insert webhook %s: %w", w.ID, err)
	}
	s.announceNew(ctx, w)
	none := int64(0)
	return View{Webhook: w, Held: &none, SuggestsZapier: s.Rules.SuggestsZapier(w)}, nil
}

// newWebhook returns the webhook that a draft describes, with an id and a secret
// of its own, and what is wrong with it.
func (s *Service) newWebhook(organizationID string, d webhook.Draft) (webhook.Webhook, []fault.Field, error) {
	now := s.now()
	id, err := newID(now)
	if err != nil {
		return webhook.Webhook{}, nil, err
	}
	secret, err := signature.NewSecret(rand.Reader)
	if err != nil {
		return webhook.Webhook{}, nil, fmt.Errorf("make the secret of webhook %s: %w", id, err)
	}
	w, broken := s.Rules.New(id, organizationID, secret, d, now)
	return w, broken, nil
}

// announceNew announces a webhook that was inserted to the dispatchers. It returns
// no error, because a failed response would lose the secret and invite a second
// webhook; dispatchers that miss the announcement read the database soon enough.
func (s *Service) announceNew(ctx context.Context, w webhook.Webhook) {
	if err := s.Stream.Announce(changeOf(w)); err != nil {
		s.Log.WarnContext(ctx, "new webhook not announced", slog.String("webhookId", w.ID), slog.Any("error", err))
	}
}

// newID returns a webhook id that sorts by the time of creation.
func newID(now time.Time) (string, error) {
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a webhook id: %w", err)
	}
	return "wh_" + strings.ToLower(id.String()), nil
}

// Get returns a webhook, or NotFound, for another organization's too.
func (s *Service) Get(ctx context.Context, organizationID, id string) (View, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return View{}, fmt.Errorf("get webhook %s: %w", id, err)
	}
	return s.view(ctx, w)[0], nil
}

// List returns a page of an organization's webhooks, newest first, and the
// cursor of the next, "" at the end.
func (s *Service) List(ctx context.Context, organizationID string, page store.Page) ([]View, string, error) {
	ws, next, err := s.Webhooks.List(ctx, organizationID, page)
	if err != nil {
		return nil, "", fmt.Errorf("list webhooks: %w", err)
	}
	return s.view(ctx, ws...), next, nil
}

// Secret returns a webhook's secret, or NotFound. The audit log says that it was
// shown.
func (s *Service) Secret(ctx context.Context, by audit.Actor, organizationID, id string) (webhook.Secret, error) {
	w, err := s.Webhooks.Get(ctx, organizationID, id)
	if err != nil {
		return "", fmt.Errorf("get webhook %s: %w", id, err)
	}
	if err := s.note(ctx, audit.Of(by, audit.WebhookSecretShown, w, s.now())); err != nil {
		return "", err
	}
	return w.Secret, nil
}

// Change changes a webhook's settings. wrong are fields already known to be
// wrong. It returns NotFound, Stale when the webhook's version is none of
// versions, or an Invalid fault with every wrong field. A webhook that is now
// disabled has no held events left, and no dispatcher sends for it any more.
func (s *Service) Change(ctx context.Context, by audit.Actor, organizationID, id string, versions Versions, c webhook.Change, wrong []fault.Field) (View, error) {
	var before webhook.Webhook
	w, err := s.Webhooks.Update(ctx, by, organizationID, id, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		if err := versions.check(w.Version); err != nil {
			return w, err
		}
		if w.Ordered() && c.Event != nil {
			var err error
			if c.Next, err = s.Stream.NextSequence(ctx); err != nil {
				return w, fmt.Errorf("place it in the event stream: %w", err)
			}
		}
		changed, broken := s.Rules.Apply(w, c, s.now())
		if err := invalid(wrong, broken); err != nil {
			return w, err
		}
		if before = w; webhook.SameSettings(w, changed) {
			return w, errUnchanged
		}
		return changed, nil
	})
	if errors.Is(err, errUnchanged) {
		w, err = before, nil
	}
	if err != nil {
		return View{}, fmt.Errorf("update webhook %s: %w", id, err)
	}
	// Also after a patch that changed nothing: it may repeat one whose
	// announcement was lost.
	if err := s.settleChange(ctx, w); err != nil {
		return View{}, err
	}
	if err := s.leavePlace(ctx, before, w); err != nil {
		return View{}, err
	}
	return s.view(ctx, w)[0], nil
}

// leavePlace records in the log that deliveries that waited for an ordered webhook
// are skipped when its event setting changes: no dispatcher reads from its old
// place. Those in a lane are recorded by the lane's reader.
func (s *Service) leavePlace(ctx context.Context, before, w webhook.Webhook) error {
	if !w.Ordered() || before.Event == w.Event || w.Status() == webhook.StatusDisabled {
		return nil
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return s.skipHeld(ctx, w, "Skipped: the webhook no longer sends this event.")
}

// settleChange announces a saved change to the dispatchers, and empties the lane of
// a webhook that its owner disabled.
func (s *Service) settleChange(ctx context.Context, w webhook.Webhook) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	if w.Status() != webhook.StatusDisabled {
		if err := s.Stream.Announce(changeOf(w)); err != nil {
			return unsettled(err)
		}
		return nil
	}
	if err := s.Fleet.Announce(ctx, changeOf(w)); err != nil {
		return unsettled(err)
	}
	if err := s.discard(ctx, w.ID); err != nil {
		return err
	}
	return s.skipHeld(ctx, w, "Skipped: the webhook was disabled.")
}

// Delete removes a webhook with its held events, its log and its secret, and
// requests the unsubscribing from Zapier when it was one of Zapier's. It returns NotFound, or Stale as
// Change does. Once it has returned nil, no dispatcher sends for the webhook any
// more.
func (s *Service) Delete(ctx context.Context, by audit.Actor, organizationID, id string, versions Versions) error {
	version := int64(0)
	if !versions.Any() {
		w, err := s.Webhooks.Get(ctx, organizationID, id)
		if err != nil {
			return fmt.Errorf("get webhook %s: %w", id, err)
		}
		if err := versions.check(w.Version); err != nil {
			return err
		}
		version = w.Version
	}
	w, err := s.Webhooks.Delete(ctx, by, organizationID, id, version)
	if err != nil {
		return fmt.Errorf("delete webhook %s: %w", id, err)
	}
	s.requestUnsubscribe(ctx, w)
	return s.settleDelete(ctx, w)
}

// settleDelete announces a deletion to the dispatchers, and empties the lane.
func (s *Service) settleDelete(ctx context.Context, w webhook.Webhook) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	if err := s.Fleet.Announce(ctx, changeOf(w)); err != nil {
		return unsettled(err)
	}
	return s.discard(ctx, w.ID)
}

func (s *Service) discard(ctx context.Context, id string) error {
	if err := s.drop(ctx, id); err != nil {
		return unsettled(err)
	}
	return nil
}

// drop removes what waits for a webhook.
func (s *Service) drop(ctx context.Context, id string) error {
	if err := s.Waiting.DropWaiting(ctx, id); err != nil {
		return fmt.Errorf("discard waiting events of webhook %s: %w", id, err)
	}
	if err := s.Stream.Discard(ctx, id); err != nil {
		return fmt.Errorf("discard held events of webhook %s: %w", id, err)
	}
	return nil
}

// settle returns a context for the work after a saved change.
func settle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
}

func unsettled(err error) error {
	return fault.New(fault.Unavailable, "change-not-announced",
		"The change is saved, but it could not be announced to the dispatchers. They notice it by themselves within seconds.").Because(err)
}
