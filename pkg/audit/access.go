package audit

import (
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/delivery"
)

// RecoveryBegun returns the entry of a new recovery.
func RecoveryBegun(by Actor, r delivery.Recovery) Entry {
	return ofRecovery(by, RecoveryStarted, r, r.CreatedAt, struct {
		Since time.Time `json:"since"`
		Until time.Time `json:"until"`
	}{r.Since.UTC(), r.Until.UTC()})
}

// RecoveryEnded returns the entry of a recovery that was cancelled.
func RecoveryEnded(by Actor, r delivery.Recovery, at time.Time) Entry {
	return ofRecovery(by, RecoveryCancelled, r, at, struct {
		Examined int64 `json:"examined"`
		Queued   int64 `json:"queued"`
	}{r.Examined, r.Queued})
}

func ofRecovery(by Actor, action Action, r delivery.Recovery, at time.Time, after any) Entry {
	return Entry{
		At: at, OrganizationID: r.OrganizationID, Actor: by, Action: action,
		Target: Target{Kind: Recovery, ID: r.ID, WebhookID: r.WebhookID}, After: object(after),
	}
}

// Tested returns the entry of a test of a webhook. Its outcome is in the delivery
// log, under the event's id.
func Tested(by Actor, organizationID, webhookID, eventID string, at time.Time) Entry {
	return Entry{
		At: at, OrganizationID: organizationID, Actor: by, Action: WebhookTested,
		Target: Target{Kind: Webhook, ID: webhookID, WebhookID: webhookID},
		After:  object(testFacts{eventID}),
	}
}

type testFacts struct {
	EventID string `json:"eventId"`
}

// Redelivered returns the entry of a redelivery.
func Redelivered(by Actor, organizationID, webhookID, deliveryID string, at time.Time) Entry {
	return Entry{
		At: at, OrganizationID: organizationID, Actor: by, Action: DeliveryRedelivered,
		Target: Target{Kind: Delivery, ID: deliveryID, WebhookID: webhookID},
	}
}

// Requeued returns the entry of a rejected event that was published again.
func Requeued(by Actor, organizationID, eventID string, at time.Time) Entry {
	return Entry{
		At: at, OrganizationID: organizationID, Actor: by, Action: EventRequeued,
		Target: Target{Kind: Event, ID: eventID},
	}
}

// keyFacts are what an entry holds of an API key.
type keyFacts struct {
	Name           string `json:"name"`
	LastCharacters string `json:"lastCharacters"`
}

// KeyCreated returns the entry of a new API key.
func KeyCreated(by Actor, k access.Key) Entry {
	e := ofKey(by, APIKeyCreated, k, k.CreatedAt)
	e.After = object(keyFacts{k.Name, k.LastCharacters})
	return e
}

// KeyRevoked returns the entry of an API key's end.
func KeyRevoked(by Actor, k access.Key) Entry {
	e := ofKey(by, APIKeyRevoked, k, k.RevokedAt)
	e.Before = object(keyFacts{k.Name, k.LastCharacters})
	return e
}

func ofKey(by Actor, action Action, k access.Key, at time.Time) Entry {
	return Entry{At: at, OrganizationID: k.OrganizationID, Actor: by, Action: action, Target: Target{Kind: Key, ID: k.ID}}
}

// OfZapierKey returns the entry of an action on an organization's Zapier key.
func OfZapierKey(by Actor, action Action, organizationID string, at time.Time) Entry {
	return Entry{At: at, OrganizationID: organizationID, Actor: by, Action: action, Target: Target{Kind: ZapKey}}
}

// LinkCreated returns the entry of a new portal link.
func LinkCreated(by Actor, l access.PortalLink) Entry {
	return Entry{
		At: l.CreatedAt, OrganizationID: l.OrganizationID, Actor: by, Action: PortalLinkCreated,
		Target: Target{Kind: PortalLink, ID: l.ID},
		After:  object(linkFacts{l.Person, l.ExpiresAt.UTC()}),
	}
}

type linkFacts struct {
	Person    string    `json:"actor,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Person returns the actor of a portal session.
func Person(s access.Session) Actor { return Actor{Kind: Portal, Name: s.Person, Via: s.Via} }

// SessionBegun returns the entry of a portal session that a link has begun.
func SessionBegun(s access.Session) Entry { return ofSession(PortalSessionBegun, s, s.CreatedAt) }

// SessionEnded returns the entry of a portal session that its person has ended.
func SessionEnded(s access.Session, at time.Time) Entry { return ofSession(PortalSessionEnded, s, at) }

func ofSession(action Action, s access.Session, at time.Time) Entry {
	return Entry{
		At: at, OrganizationID: s.OrganizationID, Actor: Person(s), Action: action,
		Target: Target{Kind: PortalSession, ID: s.ID},
	}
}
