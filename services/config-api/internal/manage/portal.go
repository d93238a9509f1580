package manage

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// EnterPath is where the page opens portal links: with the token in the
// parameter of that name.
const EnterPath = "/portal/enter"

// PortalLink is a link to give to a person's browser.
type PortalLink struct {
	URL       string // holds the credential: it opens the page once
	ExpiresAt time.Time
}

// CreatePortalLink makes a link to an organization's settings page. person is the
// name of its user in the audit log; it may be empty. wrong are fields already
// known to be wrong. The error is an Invalid fault for a bad person, with the field
// /actor.
func (s *Service) CreatePortalLink(ctx context.Context, by audit.Actor, organizationID, person string, wrong []fault.Field) (PortalLink, error) {
	if person = webhook.Trim(person); person != "" {
		wrong = append(wrong, webhook.CheckName("actor", person)...)
	}
	if err := invalid(wrong, nil); err != nil {
		return PortalLink{}, err
	}
	now := s.now()
	id, err := newULID(now)
	if err != nil {
		return PortalLink{}, err
	}
	token, err := access.NewLink(rand.Reader)
	if err != nil {
		return PortalLink{}, fmt.Errorf("make portal link: %w", err)
	}
	l := access.PortalLink{
		ID: "lnk_" + id, OrganizationID: organizationID, Person: person, Via: by.Name,
		CreatedAt: now, ExpiresAt: now.Add(access.LinkLife),
	}
	if err := s.Access.CreateLink(ctx, by, l, token.Digest()); err != nil {
		return PortalLink{}, fmt.Errorf("insert portal link %s: %w", l.ID, err)
	}
	address := strings.TrimSuffix(s.PublicURL, "/") + EnterPath + "?" + url.Values{"token": {token.Reveal()}}.Encode()
	return PortalLink{URL: address, ExpiresAt: l.ExpiresAt}, nil
}

// EnterPortal opens a portal link with the token of its URL, and returns the
// session that it begins and the text for the session's cookie. It returns
// NotFound with the code portal-link-invalid for a link that was opened before,
// has expired, or never was.
func (s *Service) EnterPortal(ctx context.Context, token string) (access.Session, access.Secret, error) {
	now := s.now()
	id, err := newULID(now)
	if err != nil {
		return access.Session{}, "", err
	}
	cookie, err := access.NewSession(rand.Reader)
	if err != nil {
		return access.Session{}, "", fmt.Errorf("make portal session: %w", err)
	}
	session, err := s.Access.OpenLink(ctx, access.Secret(token).Digest(), "ses_"+id, cookie.Digest(), now)
	if err != nil {
		return access.Session{}, "", fmt.Errorf("open portal link: %w", err)
	}
	return session, cookie, nil
}

// PortalSession returns the session of a cookie's text, or a fault of kind
// Unauthenticated when it has ended, or never was. audit.Person is its actor.
func (s *Service) PortalSession(ctx context.Context, token string) (access.Session, error) {
	session, err := s.Access.FindSession(ctx, access.Secret(token).Digest(), s.now())
	if fault.Is(err, fault.NotFound) {
		return access.Session{}, fault.New(fault.Unauthenticated, "unauthenticated", "Your session has ended. Open the page from dialnote again.").Because(err)
	}
	if err != nil {
		return access.Session{}, fmt.Errorf("find portal session: %w", err)
	}
	return session, nil
}

// LeavePortal ends the session of a cookie's text. One that has ended already
// is no error.
func (s *Service) LeavePortal(ctx context.Context, token string) error {
	if err := s.Access.EndSession(ctx, access.Secret(token).Digest(), s.now()); err != nil {
		return fmt.Errorf("end portal session: %w", err)
	}
	return nil
}
