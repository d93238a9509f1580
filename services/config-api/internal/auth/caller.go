// Package auth authenticates requests: it turns a credential into a caller, and
// says what a caller may reach.
package auth

import (
	"slices"

	"github.com/dialnote/webhooks/pkg/audit"
)

// Scheme is the name of a security scheme in the API document.
type Scheme string

// The schemes.
const (
	ServiceToken    Scheme = "serviceToken"    // of a platform back end
	OrganizationKey Scheme = "organizationKey" // of an organization's own program
	ZapierKey       Scheme = "zapierKey"       // of an organization's Zapier account
	PortalSession   Scheme = "portalSession"   // of a person on the settings page
)

// in reports whether s is among the names of schemes.
func (s Scheme) in(schemes []string) bool { return slices.Contains(schemes, string(s)) }

// Caller is the program or person that makes a request.
type Caller struct {
	Scheme Scheme
	Name   string // tells credentials of a scheme apart; never the credential

	// OrganizationID is the only organization that the caller may reach, ""
	// for any.
	OrganizationID string

	// Actor is the caller in the audit log.
	Actor audit.Actor
}

// ID names the caller's credential in logs and idempotency keys.
func (c Caller) ID() string { return string(c.Scheme) + ":" + c.Name }

// MayReach reports whether the caller has access to an organization.
func (c Caller) MayReach(organizationID string) bool {
	return c.OrganizationID == "" || c.OrganizationID == organizationID
}
