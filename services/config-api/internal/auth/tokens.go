// Package auth knows who calls: it turns a credential into a caller, and says
// what a caller may reach.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Scheme is the name of a security scheme in the API document.
type Scheme string

// ServiceToken is the scheme of platform back ends.
const ServiceToken Scheme = "serviceToken"

// Caller is who makes a request.
type Caller struct {
	Scheme Scheme
	Name   string // the credential's name, never the credential

	// OrganizationID is the only organization that the caller may reach, ""
	// for any.
	OrganizationID string
}

// ID names the caller's credential in logs and idempotency keys.
func (c Caller) ID() string { return string(c.Scheme) + ":" + c.Name }

// MayReach reports whether the caller may know anything of an organization.
func (c Caller) MayReach(organizationID string) bool {
	return c.OrganizationID == "" || c.OrganizationID == organizationID
}

// minToken is the shortest service token, in bytes: less can be guessed.
const minToken = 16

// Tokens are the configured service tokens, kept only as their SHA-256: a
// token is long and random, so that a fast hash is enough.
type Tokens struct {
	names []string
	sums  [][sha256.Size]byte
}

// ParseTokens reads the setting API_TOKENS: "name:token,name:token". A token
// has at least 16 bytes. The error lists everything that is wrong and holds no
// token.
func ParseTokens(setting string) (*Tokens, error) {
	t := &Tokens{}
	var wrong []error
	for i, part := range strings.Split(setting, ",") {
		name, token, found := strings.Cut(strings.TrimSpace(part), ":")
		switch {
		case !found || name == "":
			wrong = append(wrong, fmt.Errorf("service token %d is not of the form name:token", i+1))
		case len(token) < minToken:
			wrong = append(wrong, fmt.Errorf("service token %q is shorter than %d bytes", name, minToken))
		default:
			t.names = append(t.names, name)
			t.sums = append(t.sums, sha256.Sum256([]byte(token)))
		}
	}
	return t, errors.Join(wrong...)
}

// Authenticate returns the caller of a request that one of the schemes opens,
// or a fault of kind Unauthenticated. The time it takes does not depend on how
// much of a token is right, nor on which token it is.
func (t *Tokens) Authenticate(r *http.Request, schemes []string) (Caller, error) {
	token, err := bearer(r)
	if err != nil {
		return Caller{}, err
	}
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.sums {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], t.sums[i][:]), i, found)
	}
	if found < 0 || !opens(ServiceToken, schemes) {
		return Caller{}, fault.New(fault.Unauthenticated, "unauthenticated", "This credential is not known here.")
	}
	return Caller{Scheme: ServiceToken, Name: t.names[found]}, nil
}

func opens(s Scheme, schemes []string) bool {
	for _, name := range schemes {
		if Scheme(name) == s {
			return true
		}
	}
	return false
}

// bearer returns the token of the Authorization header (RFC 6750).
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", fault.New(fault.Unauthenticated, "unauthenticated", "Send a credential in the Authorization header: Bearer and your token.")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", fault.New(fault.Unauthenticated, "unauthenticated", "The Authorization header must be Bearer and your token.")
	}
	return token, nil
}
