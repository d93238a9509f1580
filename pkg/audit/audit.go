// Package audit is the record of who changed what: actors, actions, and
// entries. Nothing in it ever holds a secret.
//
// It does no I/O. Functions that need the time take it as an argument.
package audit

import (
	"encoding/json"
	"time"
)

// Kind says what sort of credential an actor used.
type Kind string

// The kinds.
const (
	ServiceToken Kind = "service_token" // a platform back end
	APIKey       Kind = "api_key"       // an organization's own program
	ZapierKey    Kind = "zapier_key"    // the organization's Zapier account
	Portal       Kind = "portal"        // a person on the settings page
	Operator     Kind = "operator"      // an operator, by one of the program's commands
	System       Kind = "system"        // the service itself, as its rules say
)

// Actor is who made a change. The store refuses entries of the zero Actor.
type Actor struct {
	Kind Kind

	// Name is the service token's name, the API key's name at the time, the person
	// for whom the platform made the portal link, or the name that an operator
	// gave; "" when there is none.
	Name string

	KeyID string // of an API key
	Via   string // of a person: the name of the service token that made the link
}

// Itself is the actor of the service's own changes, such as disabling a webhook
// that fails.
func Itself() Actor { return Actor{Kind: System} }

// Action is what was done: a target's kind, a dot, and a verb.
type Action string

// The actions.
const (
	WebhookCreated       Action = "webhook.created"
	WebhookUpdated       Action = "webhook.updated"
	WebhookEnabled       Action = "webhook.enabled"
	WebhookAutoDisabled  Action = "webhook.auto_disabled"
	WebhookDeleted       Action = "webhook.deleted"
	WebhookSecretShown   Action = "webhook.secret_shown"
	WebhookHeldDiscarded Action = "webhook.held_events_discarded"
	WebhookTested        Action = "webhook.tested"

	DeliveryRedelivered Action = "delivery.redelivered"
	RecoveryStarted     Action = "recovery.started"
	RecoveryCancelled   Action = "recovery.cancelled"
	EventRequeued       Action = "event.requeued"

	APIKeyCreated    Action = "api_key.created"
	APIKeyRevoked    Action = "api_key.revoked"
	ZapierKeyCreated Action = "zapier_key.created"
	ZapierKeyShown   Action = "zapier_key.shown"
	ZapierKeyRotated Action = "zapier_key.rotated"

	PortalLinkCreated  Action = "portal_link.created"
	PortalSessionBegun Action = "portal_session.begun"
	PortalSessionEnded Action = "portal_session.ended"
)

// Actions returns every action, in the order of the constants.
func Actions() []Action {
	return []Action{
		WebhookCreated, WebhookUpdated, WebhookEnabled, WebhookAutoDisabled, WebhookDeleted, WebhookSecretShown, WebhookHeldDiscarded, WebhookTested,
		DeliveryRedelivered, RecoveryStarted, RecoveryCancelled, EventRequeued,
		APIKeyCreated, APIKeyRevoked, ZapierKeyCreated, ZapierKeyShown, ZapierKeyRotated,
		PortalLinkCreated, PortalSessionBegun, PortalSessionEnded,
	}
}

// TargetKind says what an action was done to.
type TargetKind string

// The kinds of targets.
const (
	Webhook       TargetKind = "webhook"
	Delivery      TargetKind = "delivery"
	Recovery      TargetKind = "recovery"
	Event         TargetKind = "event"
	Key           TargetKind = "api_key"
	ZapKey        TargetKind = "zapier_key"
	PortalLink    TargetKind = "portal_link"
	PortalSession TargetKind = "portal_session"
)

// Target is what an action was done to.
type Target struct {
	Kind TargetKind
	ID   string // "" for the Zapier key: an organization has one

	// WebhookID is the webhook that the target is or belongs to, "" for none.
	WebhookID string
}

// Entry is one line of the log.
type Entry struct {
	// ID is "aud_" and a ULID: ids sort as the entries were made. The store
	// gives it when it writes the entry.
	ID string

	At             time.Time
	OrganizationID string
	Actor          Actor
	Action         Action
	Target         Target

	// Before and After are JSON objects with the fields that changed, nil for
	// none.
	Before json.RawMessage
	After  json.RawMessage
}

// Filter says which entries to list: those that pass every field that is not
// zero.
type Filter struct {
	Action    Action
	ActorKind Kind
	Actor     string // the actor's name
	TargetID  string
	WebhookID string    // of the webhook itself, its deliveries and its recoveries
	Since     time.Time // made then or later
	Until     time.Time // made before
}
