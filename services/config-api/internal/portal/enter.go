package portal

import (
	"net/http"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// themeCookie keeps the theme that a link brought: "scheme:accent".
const themeCookie = "dialnote_theme"

// enter opens a portal link: it begins a session, and goes on to the page.
func (p *Portal) enter(w http.ResponseWriter, r *http.Request) {
	theme := p.theme(w, r)
	if r.Method == http.MethodHead {
		return // a HEAD request, of a link preview, must not use up the link
	}
	session, text, err := p.Service.EnterPortal(r.Context(), r.FormValue("token"))
	if err != nil && fault.Is(err, fault.NotFound) {
		// A browser with a session has opened the same link again.
		if _, inside := p.session(r); inside == nil {
			http.Redirect(w, r, "/portal/", http.StatusSeeOther)
			return
		}
		err = fault.New(fault.Unauthenticated, "portal-link-invalid", "The link was opened before, or is too old.").Because(err)
	}
	if err != nil {
		p.fail(w, r, theme, err)
		return
	}
	p.Cookies.Begin(w, r, text, session.ExpiresAt)
	http.Redirect(w, r, "/portal/", http.StatusSeeOther)
}

// leave ends the session.
func (p *Portal) leave(req *request) error {
	if text, ok := p.Cookies.Text(req.r); ok {
		if err := p.Service.LeavePortal(req.r.Context(), text); err != nil {
			return err
		}
	}
	p.Cookies.End(req.w, req.r)
	return goOn(req, "/portal/", "")
}

// theme returns the theme of the query, which a cookie keeps for the pages that
// follow, or that of the cookie.
func (p *Portal) theme(w http.ResponseWriter, r *http.Request) view.Theme {
	q := r.URL.Query()
	if q.Has("theme") || q.Has("accent") {
		t := view.ParseTheme(q.Get("theme"), q.Get("accent"))
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // secure where the page is reached by https
			Name: themeCookie, Value: t.Scheme + "-" + t.Accent, Path: "/portal/",
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.Cookies.Secure || overTLS(r),
		})
		return t
	}
	cookie, err := r.Cookie(themeCookie)
	if err != nil {
		return view.Theme{}
	}
	return view.ThemeOf(cookie.Value)
}

// accent serves the style sheet of an accent colour. It depends on nothing but the
// colour.
func accent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	// Nothing of the query but six hexadecimal digits gets into the style sheet.
	_, _ = w.Write([]byte(view.ParseTheme("", r.FormValue("accent")).StyleSheet())) //nolint:gosec // see above
}
