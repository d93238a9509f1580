package auth

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSessionCookies(t *testing.T) {
	t.Parallel()
	plain := func(r *http.Request) *http.Request { return r }
	for name, tc := range map[string]struct {
		cookies Cookies
		request func(*http.Request) *http.Request
		secure  bool
	}{
		"http":             {Cookies{}, plain, false},
		"https":            {Cookies{}, func(r *http.Request) *http.Request { r.TLS = &tls.ConnectionState{}; return r }, true},
		"https at a proxy": {Cookies{}, func(r *http.Request) *http.Request { r.Header.Set("X-Forwarded-Proto", "HTTPS"); return r }, true},
		"http at a proxy":  {Cookies{}, func(r *http.Request) *http.Request { r.Header.Set("X-Forwarded-Proto", "http"); return r }, false},
		"https by setting": {Cookies{Secure: true}, plain, true},
	} {
		r := tc.request(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		w := httptest.NewRecorder()
		expires := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
		tc.cookies.Begin(w, r, "dns_x", expires)
		tc.cookies.End(w, r)
		suffix := "; HttpOnly; SameSite=Lax"
		if tc.secure {
			suffix = "; HttpOnly; Secure; SameSite=Lax"
		}
		want := "dialnote_portal=dns_x; Path=/; Expires=Mon, 02 Nov 2026 12:00:00 GMT" + suffix + "\n" +
			"dialnote_portal=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT" + suffix
		if got := strings.Join(w.Header()["Set-Cookie"], "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}
