package httpapi

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
	"github.com/dialnote/webhooks/services/config-api/internal/ratelimit"
)

// Limits bound the requests of callers. The zero Limits bound nothing.
type Limits struct {
	// Organization bounds the requests made for one organization. Service
	// tokens have a budget of their own for each organization they act for, so
	// that a customer's programs leave the platform's back ends theirs. Requests
	// for the settings page are bounded alike, for each client address.
	Organization ratelimit.Limit

	// Address bounds the requests without a good credential from one client
	// address. Requests with a good credential from the same address are not
	// affected.
	Address ratelimit.Limit

	// TrustedProxies are the networks of proxies whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix
}

// How many organizations and addresses are counted at a time.
const (
	countedOrganizations = 100_000
	countedAddresses     = 100_000
)

// limiters are the limiters of Limits.
type limiters struct {
	organizations *ratelimit.Limiter
	addresses     *ratelimit.Limiter
	trusted       []netip.Prefix
	now           func() time.Time
}

func newLimiters(l Limits, now func() time.Time) (*limiters, error) {
	organizations, err := ratelimit.New(l.Organization, countedOrganizations)
	if err != nil {
		return nil, fmt.Errorf("limit organizations: %w", err)
	}
	addresses, err := ratelimit.New(l.Address, countedAddresses)
	if err != nil {
		return nil, fmt.Errorf("limit addresses: %w", err)
	}
	return &limiters{organizations: organizations, addresses: addresses, trusted: l.TrustedProxies, now: now}, nil
}

// caller takes a request of a known caller from its organization's budget. It
// returns a fault of kind RateLimited when there is none left.
func (l *limiters) caller(c echo.Context, caller auth.Caller) error {
	wait := l.organizations.Take(holderOf(c, caller), l.now())
	if wait == 0 {
		return nil
	}
	return tooMany(c, wait, "This organization makes too many requests. Wait as long as Retry-After says.")
}

// holderOf returns what a request of a known caller counts for: its organization, or
// the one that a service token acts for.
func holderOf(c echo.Context, caller auth.Caller) string {
	if caller.OrganizationID != "" {
		return "own " + caller.OrganizationID
	}
	const longest = 64 // an organization's id; a longer text is none
	org := c.Param("org")
	return "service " + org[:min(len(org), longest)]
}

// page takes a request for the settings page from its address's budget, which is
// as large as an organization's. It cannot use the organization's budget: the
// organization is known only after a look-up of the session, which a flood of
// requests must not cause.
func (l *limiters) page(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		wait := l.organizations.Take("page "+ops.ClientNetwork(clientAddr(c.Request(), l.trusted)), l.now())
		if wait == 0 {
			return next(c)
		}
		return tooMany(c, wait, "Too many requests came from your address. Wait as long as Retry-After says.")
	}
}

// stranger takes a request with no good credential from its address's budget.
// It returns refusal, or a fault of kind RateLimited when there is none left.
func (l *limiters) stranger(c echo.Context, refusal error) error {
	if !fault.Is(refusal, fault.Unauthenticated) {
		return refusal
	}
	wait := l.addresses.Take(ops.ClientNetwork(clientAddr(c.Request(), l.trusted)), l.now())
	if wait == 0 {
		return refusal
	}
	return tooMany(c, wait, "Too many requests without a good credential came from your address. Wait as long as Retry-After says.")
}

// tooMany returns the fault and sets Retry-After, in whole seconds.
func tooMany(c echo.Context, wait time.Duration, detail string) error {
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return fault.New(fault.RateLimited, "rate-limited", detail)
}
