package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
)

// Access keeps the credentials of organizations: of each its digest, and of the
// Zapier key also its text, sealed. A look-up sees every change that has returned
// before it.
type Access interface {
	// CreateKey inserts an API key. It returns a Conflict when the organization
	// already has limit keys that are not revoked; the count and the insert are
	// atomic.
	CreateKey(ctx context.Context, by audit.Actor, k access.Key, digest access.Digest, limit int) error

	// ListKeys returns a page of an organization's API keys that are not revoked,
	// newest first, and the cursor of the next page, "" at the end. It returns
	// Invalid for a cursor that it has not made.
	ListKeys(ctx context.Context, organizationID string, page Page) ([]access.Key, string, error)

	// FindKey returns the API key with a digest, or NotFound: also for one that
	// is revoked.
	FindKey(ctx context.Context, digest access.Digest) (access.Key, error)

	// UseKey notes that an API key was used, unless that was noted in the minute
	// before.
	UseKey(ctx context.Context, id string, now time.Time) error

	// RevokeKey ends an API key. It returns NotFound, also for one that is
	// revoked already or another organization's.
	RevokeKey(ctx context.Context, by audit.Actor, organizationID, id string, now time.Time) error

	// ShowZapierKey returns the organization's Zapier key. When it has none,
	// fresh becomes it: of several calls at once, one's.
	ShowZapierKey(ctx context.Context, by audit.Actor, fresh access.ZapierKey, now time.Time) (access.ZapierKey, error)

	// RotateZapierKey makes fresh the organization's Zapier key.
	RotateZapierKey(ctx context.Context, by audit.Actor, fresh access.ZapierKey) error

	// FindZapierKey returns the organization whose Zapier key has a digest, or
	// NotFound.
	FindZapierKey(ctx context.Context, digest access.Digest) (organizationID string, err error)

	// CreateLink inserts a portal link.
	CreateLink(ctx context.Context, by audit.Actor, l access.PortalLink, digest access.Digest) error

	// OpenLink removes the portal link with a digest and inserts the session that
	// it begins, with an id and a digest of its own. It returns NotFound for a
	// link that is not there or has expired; of several calls at once, one gets
	// the session.
	OpenLink(ctx context.Context, link access.Digest, sessionID string, session access.Digest, now time.Time) (access.Session, error)

	// FindSession returns the session with a digest, or NotFound: also for one
	// that has expired.
	FindSession(ctx context.Context, digest access.Digest, now time.Time) (access.Session, error)

	// EndSession removes the session with a digest. One that is not there is no
	// error.
	EndSession(ctx context.Context, digest access.Digest, now time.Time) error
}

// Audit is the log of who changed what. Every method of the port that takes an
// actor writes its entries in the very transaction that makes the change, and
// so does Record for what it does by itself.
type Audit interface {
	// AddEntry writes an entry of something that changes nothing in the store. It
	// gives the entry its ID.
	AddEntry(ctx context.Context, e audit.Entry) error

	// ListEntries returns a page of an organization's entries, newest first, and
	// the cursor of the next page, "" at the end. A page has fewer entries than its
	// limit, also none, when many others had to be looked at; PageBytes bounds it. It returns Invalid for
	// a cursor that it has not made.
	ListEntries(ctx context.Context, organizationID string, filter audit.Filter, page Page) ([]audit.Entry, string, error)
}

// Retention is how long things are kept.
type Retention struct {
	Log   time.Duration // attempts, idempotency keys, recoveries
	Audit time.Duration // the audit log, and API keys from their revocation on
}
