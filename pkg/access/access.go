// Package access is the credentials of an organization: API keys, the Zapier key,
// links to the settings page and the sessions that they begin.
//
// It does no I/O. Functions that need the time or randomness take it as an
// argument.
package access

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"time"
)

const (
	// MaxKeys is how many API keys an organization can have that are not
	// revoked.
	MaxKeys = 100

	// LinkLife is how long a portal link can be opened: it is followed at once,
	// by a redirect.
	LinkLife = 5 * time.Minute

	// SessionLife is how long a portal session lasts: a working day. It does not
	// slide: a browser that was left open is closed by the next morning.
	SessionLife = 10 * time.Hour
)

// The prefixes of credentials: they tell people and secret scanners what a text
// is.
const (
	KeyPrefix     = "dnk_" // API keys and Zapier keys
	linkPrefix    = "dnl_"
	sessionPrefix = "dns_"
)

// Secret is the text of a credential. It prints as a mask, so that it cannot
// reach a log by accident; Reveal returns the text.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask.
func (s Secret) String() string { return "***" }

// GoString returns a mask.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns a mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Digest returns what is kept of the credential where it need not be shown
// again: its SHA-256. It is long and random, so that a fast hash is enough.
func (s Secret) Digest() Digest { return sha256.Sum256([]byte(s)) }

// LastCharacters returns the last four characters, to tell credentials apart.
func (s Secret) LastCharacters() string { return string(s[max(0, len(s)-4):]) }

// Digest is the SHA-256 of a credential. It opens nothing.
type Digest [sha256.Size]byte

// newSecret makes a credential with a prefix and 256 random bits.
func newSecret(prefix string, random io.Reader) (Secret, error) {
	var bytes [32]byte
	if _, err := io.ReadFull(random, bytes[:]); err != nil {
		return "", fmt.Errorf("make a credential: %w", err)
	}
	return Secret(prefix + base64.RawURLEncoding.EncodeToString(bytes[:])), nil
}

// NewKey makes the text of an API key or a Zapier key.
func NewKey(random io.Reader) (Secret, error) { return newSecret(KeyPrefix, random) }

// NewLink makes the text of a portal link.
func NewLink(random io.Reader) (Secret, error) { return newSecret(linkPrefix, random) }

// NewSession makes the text of a session cookie.
func NewSession(random io.Reader) (Secret, error) { return newSecret(sessionPrefix, random) }

// Key is an organization's API key without its text, which is not kept.
type Key struct {
	ID             string // "key_" and a ULID
	OrganizationID string
	Name           string
	LastCharacters string // of the text
	CreatedAt      time.Time
	LastUsedAt     time.Time // to the minute; zero when it was never used
	RevokedAt      time.Time // zero while it opens anything
}

// ZapierKey is the one key that an organization gives to Zapier.
type ZapierKey struct {
	OrganizationID string
	Key            Secret
	CreatedAt      time.Time
}

// PortalLink is a link to the settings page of an organization. It opens once.
type PortalLink struct {
	ID             string // "lnk_" and a ULID
	OrganizationID string
	Person         string // for whom it was made, in the platform's words; "" when it did not say
	Via            string // the name of the service token that made it
	CreatedAt      time.Time
	ExpiresAt      time.Time
}

// Session is the time a person spends on the settings page.
type Session struct {
	ID             string // "ses_" and a ULID
	OrganizationID string
	Person         string // as in the link
	Via            string // as in the link
	CreatedAt      time.Time
	ExpiresAt      time.Time
}

// Begin returns the session that opening l begins.
func (l PortalLink) Begin(id string, now time.Time) Session {
	return Session{
		ID: id, OrganizationID: l.OrganizationID, Person: l.Person, Via: l.Via,
		CreatedAt: now, ExpiresAt: now.Add(SessionLife),
	}
}
