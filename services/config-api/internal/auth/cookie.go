package auth

import (
	"net/http"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
)

// CookieName is the name of the cookie that holds a portal session. The API
// document promises it.
const CookieName = "dialnote_portal"

// SessionText returns the text of a request's session cookie, and whether it has
// one. Two count as none: a neighbouring host can add a cookie, and nothing
// shows which one is ours.
func SessionText(r *http.Request) (text string, ok bool) {
	cookies := r.CookiesNamed(CookieName)
	if len(cookies) != 1 || cookies[0].Value == "" {
		return "", false
	}
	return cookies[0].Value, true
}

// Cookies writes session cookies. Scripts cannot read them, and browsers send them
// with requests from other sites only when a link is followed.
type Cookies struct {
	// Secure keeps them to https, whatever the request looks like: browsers find
	// the service there.
	Secure bool
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
		Name: CookieName, Value: value, Expires: expires, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		// A client that lies about the protocol harms only its own cookie.
		Secure: c.Secure || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
}
