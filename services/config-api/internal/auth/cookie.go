package auth

import (
	"net/http"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
)

// The names of the cookie that holds a portal session. The API document promises
// them. Over https it is the one that begins with __Host-, which browsers keep only
// as this very host set it: another host of the domain can neither set nor replace
// it. Browsers refuse that name over plain http, as on a developer's machine.
const (
	CookieName      = "__Host-" + plainCookieName
	plainCookieName = "dialnote_portal"
)

// Cookies writes session cookies. Scripts cannot read them, and browsers send them
// with requests from other sites only when a link is followed.
type Cookies struct {
	// Secure keeps them to https, whatever the request looks like: browsers find
	// the service there.
	Secure bool
}

// Text returns the text of a request's session cookie, and whether it has one. Two
// of the same name count as none, since nothing shows which one is ours.
func (c Cookies) Text(r *http.Request) (text string, ok bool) {
	cookies := r.CookiesNamed(c.name(r))
	if len(cookies) != 1 || cookies[0].Value == "" {
		return "", false
	}
	return cookies[0].Value, true
}

// Begin gives the browser the cookie of a session until it expires.
func (c Cookies) Begin(w http.ResponseWriter, r *http.Request, text access.Secret, expires time.Time) {
	c.write(w, r, text.Reveal(), expires)
}

// End takes the cookie from the browser.
func (c Cookies) End(w http.ResponseWriter, r *http.Request) {
	c.write(w, r, "", time.Unix(1, 0)) // long past
}

func (c Cookies) write(w http.ResponseWriter, r *http.Request, value string, expires time.Time) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // on plain http, as on a developer's machine, there is no Secure
		Name: c.name(r), Value: value, Expires: expires, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: c.secure(r),
	})
}

func (c Cookies) name(r *http.Request) string {
	if c.secure(r) {
		return CookieName
	}
	return plainCookieName
}

// secure reports whether the browser reaches the service by https. A client that
// lies about the protocol harms only its own cookie.
func (c Cookies) secure(r *http.Request) bool {
	return c.Secure || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
