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
	for way, tc := range map[string]struct {
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
		suffix, name := "; HttpOnly; SameSite=Lax", "dialnote_portal"
		if tc.secure {
			suffix, name = "; HttpOnly; Secure; SameSite=Lax", "__Host-dialnote_portal"
		}
		want := name + "=dns_x; Path=/; Expires=Mon, 02 Nov 2026 12:00:00 GMT" + suffix + "\n" +
			name + "=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT" + suffix
		if got := strings.Join(w.Header()["Set-Cookie"], "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", way, got, want)
		}
	}
}

// Over https only the cookie counts that no other host can have set.
func TestWhichSessionCookieCounts(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct{ plain, secure string }{
		"":                         {"", ""},
		"dialnote_portal=a":        {"a", ""},
		"__Host-dialnote_portal=b": {"", "b"},
		"dialnote_portal=a; __Host-dialnote_portal=b":          {"a", "b"},
		"dialnote_portal=a; dialnote_portal=a":                 {"", ""},
		"__Host-dialnote_portal=b; __Host-dialnote_portal=b":   {"", ""},
		"__Host-dialnote_portal=":                              {"", ""},
		"__host-dialnote_portal=b; __Secure-dialnote_portal=b": {"", ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Cookie", header)
		if got, _ := (Cookies{}).Text(r); got != want.plain {
			t.Errorf("%s over http: %q, want %q", header, got, want.plain)
		}
		if got, _ := (Cookies{Secure: true}).Text(r); got != want.secure {
			t.Errorf("%s over https: %q, want %q", header, got, want.secure)
		}
	}
}
