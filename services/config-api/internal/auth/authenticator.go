package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

// ZapierHeader is the header of the Zapier key (help page).
const ZapierHeader = "X-DIALNOTE-API-KEY"

const (
	// lookWithin bounds the look-up of a credential in the database.
	lookWithin = 10 * time.Second

	// noteUseEvery is how old the last noted use of a key is before another one
	// is noted.
	noteUseEvery = time.Minute
)

// Authenticator authenticates callers. It caches nothing: each request looks its
// credential up, so that a revoked one opens nothing any more, on any replica. Safe
// for concurrent use.
type Authenticator struct {
	Tokens      *Rotation
	Credentials store.Access

	// Origins are where the page's own requests come from. Those of other sites
	// may not use its session.
	Origins *http.CrossOriginProtection

	Now     func() time.Time
	Log     *slog.Logger
	Cookies Cookies
}

// NewOrigins returns the protection of a service that browsers find at a base
// URL, whatever host its requests name.
func NewOrigins(publicURL string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	scheme, rest, _ := strings.Cut(publicURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	if err := p.AddTrustedOrigin(scheme + "://" + host); err != nil {
		return nil, fmt.Errorf("trust the service's own origin: %w", err)
	}
	return p, nil
}

// Authenticate returns the caller of a request to what the schemes open. It
// looks at one credential: of those that the request has, one that could open
// it, and the explicit ones before the cookie that a browser sends by itself. When
// that one is wrong, it tries no other.
//
// The error is a fault of kind Unauthenticated when there is none or it is not
// known; Forbidden when it is known and opens other things, or when another
// site uses a session; Unavailable when the database is away.
func (a *Authenticator) Authenticate(r *http.Request, schemes []string) (Caller, error) {
	caller, err := a.identify(r, schemes)
	if err != nil {
		return Caller{}, err
	}
	if !caller.Scheme.in(schemes) {
		return Caller{}, fault.New(fault.Forbidden, "forbidden", "This credential may not do that. "+howTo(schemes))
	}
	if caller.Scheme == PortalSession {
		if err := a.Origins.Check(r); err != nil {
			return Caller{}, fault.New(fault.Forbidden, "cross-origin-request",
				"This request comes from another site, which may not use your session.").Because(err)
		}
	}
	return caller, nil
}

// identify returns the caller whose credential the request has.
func (a *Authenticator) identify(r *http.Request, schemes []string) (Caller, error) {
	_, cookie := a.Cookies.Text(r)
	ways := []struct {
		there, opens bool
		caller       func(*http.Request) (Caller, error)
	}{
		{len(r.Header.Values("Authorization")) > 0, ServiceToken.in(schemes) || OrganizationKey.in(schemes), a.bearer},
		{len(r.Header.Values(ZapierHeader)) > 0, ZapierKey.in(schemes), a.zapier},
		{cookie, PortalSession.in(schemes), a.session},
	}
	for _, opens := range []bool{true, false} {
		for _, way := range ways {
			if way.there && way.opens == opens {
				return way.caller(r)
			}
		}
	}
	return Caller{}, unauthenticated(howTo(schemes))
}

func (a *Authenticator) zapier(r *http.Request) (Caller, error) {
	values := r.Header.Values(ZapierHeader)
	if len(values) != 1 {
		return Caller{}, unauthenticated("Send the header " + ZapierHeader + " once.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	org, err := a.Credentials.FindZapierKey(ctx, access.Secret(strings.TrimSpace(values[0])).Digest())
	if err != nil {
		return Caller{}, unknown(err)
	}
	return Caller{Scheme: ZapierKey, Name: org, OrganizationID: org, Actor: audit.Actor{Kind: audit.ZapierKey}}, nil
}

func (a *Authenticator) session(r *http.Request) (Caller, error) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	text, _ := a.Cookies.Text(r)
	s, err := a.Credentials.FindSession(ctx, access.Secret(text).Digest(), a.Now())
	if fault.Is(err, fault.NotFound) {
		return Caller{}, unauthenticated("Your session has ended. Open the page from dialnote again.")
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find session: %w", err)
	}
	return Caller{Scheme: PortalSession, Name: s.ID, OrganizationID: s.OrganizationID, Actor: audit.Person(s)}, nil
}

// HasServiceToken reports whether a request has a good service token. It does not
// use the database.
func (a *Authenticator) HasServiceToken(r *http.Request) bool {
	token, ok := bearerToken(r)
	if !ok {
		return false
	}
	_, known := a.Tokens.Find(token)
	return known
}

// bearerToken returns the token of the only Authorization header (RFC 6750).
func bearerToken(r *http.Request) (token string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// bearer returns the caller of the token in the Authorization header.
func (a *Authenticator) bearer(r *http.Request) (Caller, error) {
	token, ok := bearerToken(r)
	if !ok {
		return Caller{}, unauthenticated("The Authorization header must be Bearer and your token.")
	}
	if strings.HasPrefix(token, access.KeyPrefix) {
		return a.key(r.Context(), access.Secret(token))
	}
	name, ok := a.Tokens.Find(token)
	if !ok {
		return Caller{}, unknown(nil)
	}
	return Caller{Scheme: ServiceToken, Name: name, Actor: audit.Actor{Kind: audit.ServiceToken, Name: name}}, nil
}

func (a *Authenticator) key(ctx context.Context, text access.Secret) (Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	k, err := a.Credentials.FindKey(ctx, text.Digest())
	if err != nil {
		return Caller{}, unknown(err)
	}
	if now := a.Now(); now.Sub(k.LastUsedAt) >= noteUseEvery {
		// This is no reason to refuse the request.
		if err := a.Credentials.UseKey(ctx, k.ID, now); err != nil {
			a.Log.WarnContext(ctx, "use of API key not recorded", slog.String("keyId", k.ID), slog.Any("error", err))
		}
	}
	return Caller{
		Scheme: OrganizationKey, Name: k.ID, OrganizationID: k.OrganizationID,
		Actor: audit.Actor{Kind: audit.APIKey, Name: k.Name, KeyID: k.ID},
	}, nil
}

// howTo says which credentials the schemes are.
func howTo(schemes []string) string {
	var list []string
	if ServiceToken.in(schemes) || OrganizationKey.in(schemes) {
		what := "your token"
		if !OrganizationKey.in(schemes) {
			what = "a service token"
		}
		list = append(list, "Send a credential in the Authorization header: Bearer and "+what+".")
	}
	if ZapierKey.in(schemes) {
		list = append(list, "Send the organization's Zapier key in the header "+ZapierHeader+".")
	}
	return strings.Join(list, " ")
}

func unauthenticated(detail string) error {
	return fault.New(fault.Unauthenticated, "unauthenticated", detail)
}

// unknown returns the error for a credential that was not found.
func unknown(err error) error {
	if err != nil && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("find credential: %w", err)
	}
	return unauthenticated("This credential is not known here.")
}
