package manage_test

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// service returns one on a store of its own, with what the portal needs.
func service(t *testing.T, now *time.Time) *manage.Service {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &manage.Service{
		Webhooks: s, Access: s, Audit: s, PublicURL: "https://webhooks.example.com/base/",
		Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler),
	}
}

func TestALinkOpensThePageOnce(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	s := service(t, &now)
	app := audit.Actor{Kind: audit.ServiceToken, Name: "app"}
	link, err := s.CreatePortalLink(ctx, app, "acme", " anna@acme.example\t", nil)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(link.URL)
	if err != nil || !strings.HasPrefix(link.URL, "https://webhooks.example.com/base/portal/enter?token=") {
		t.Fatalf("the link is %s, %v", link.URL, err)
	}
	token := address.Query().Get("token")
	session, cookie, err := s.EnterPortal(ctx, token)
	if err != nil || session.OrganizationID != "acme" || cookie.Reveal() == token || strings.Contains(cookie.String(), cookie.Reveal()) {
		t.Fatalf("entered %+v, %v", session, err)
	}
	if got, want := audit.Person(session), (audit.Actor{Kind: audit.Portal, Name: "anna@acme.example", Via: "app"}); got != want {
		t.Errorf("the person is %+v, want %+v", got, want)
	}
	found, err := s.PortalSession(ctx, cookie.Reveal())
	if err != nil || found != session {
		t.Errorf("found %+v, %v", found, err)
	}
	// A second time it opens nothing, and the first session stays.
	if _, _, err := s.EnterPortal(ctx, token); fault.Of(err).Code != "portal-link-invalid" {
		t.Errorf("entered twice: %v", err)
	}
	for _, other := range []string{"", token, cookie.Reveal() + "x"} {
		if _, err := s.PortalSession(ctx, other); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%q is a session: %v", other, err)
		}
	}
	if err := s.LeavePortal(ctx, cookie.Reveal()); err != nil {
		t.Error(err)
	}
	if _, err := s.PortalSession(ctx, cookie.Reveal()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("left, and still there: %v", err)
	}
	if err := s.LeavePortal(ctx, cookie.Reveal()); err != nil {
		t.Errorf("left twice: %v", err)
	}
}

func TestLinksAndSessionsExpire(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	s := service(t, &now)
	enter := func(after time.Duration) (access.Secret, error) {
		t.Helper()
		link, err := s.CreatePortalLink(ctx, storetest.By(), "acme", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		address, err := url.Parse(link.URL)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(after)
		_, cookie, err := s.EnterPortal(ctx, address.Query().Get("token"))
		return cookie, err
	}
	if _, err := enter(5 * time.Minute); !fault.Is(err, fault.NotFound) {
		t.Errorf("after five minutes: %v", err)
	}
	cookie, err := enter(5*time.Minute - time.Microsecond)
	if err != nil {
		t.Fatalf("within five minutes: %v", err)
	}
	now = now.Add(10*time.Hour - time.Microsecond)
	if _, err := s.PortalSession(ctx, cookie.Reveal()); err != nil {
		t.Errorf("within ten hours: %v", err)
	}
	now = now.Add(time.Microsecond)
	if _, err := s.PortalSession(ctx, cookie.Reveal()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after ten hours: %v", err)
	}
}
