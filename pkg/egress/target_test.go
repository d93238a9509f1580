package egress

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A receiver gets path and query with the escapes that the customer typed, over
// HTTP/1.1 and over HTTP/2.
func TestRequestTarget(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	got := make(chan string, 1)
	handle := func(_ http.ResponseWriter, r *http.Request) { got <- r.Proto + " " + r.RequestURI }
	for proto, s := range map[string]*httptest.Server{
		"HTTP/1.1": serve(t, handle),
		"HTTP/2.0": serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil)}}, true, handle),
	} {
		c := client(t, func(cfg *Config) { cfg.RootCAs = a.pool() })
		for typed, requested := range map[string]string{
			"":                    "/",
			"?":                   "/?",
			"/a%2Fb/|c":           "/a%2Fb/%7Cc",
			"/café/x%2By":         "/caf%C3%A9/x%2By",
			"/%2e%2e/../a//b/%7e": "/%2e%2e/../a//b/%7e",
			"/x?a=b+c%20d;%zz|":   "/x?a=b+c%20d;%zz%7C",
		} {
			want(t, c.Send(t.Context(), post(s.URL+typed)), "", "")
			if target := <-got; target != proto+" "+requested {
				t.Errorf("%q is requested as %s, want %s %s", typed, target, proto, requested)
			}
		}
	}
}
