package httpapi

import (
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/ops"
)

// PagePath begins the paths of the settings page.
const PagePath = "/portal/"

// policyOfDocs is the documentation's: a page with one style sheet of its own.
const policyOfDocs = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// permissions denies the pages, and anything embedded in them, what they never
// need.
const permissions = "accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), browsing-topics=()"

// policyOfPage returns the settings page's policy: it loads from, calls and posts
// to its own server only, nothing in it is inline, and only pages of the embedding
// hosts may show it in a frame.
func policyOfPage(embedHosts []string) string {
	ancestors := "'none'"
	if len(embedHosts) > 0 {
		ancestors = strings.Join(embedHosts, " ")
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

// secure sets the headers that every answer has. A handler may replace them.
func secure(embedHosts []string) echo.MiddlewareFunc {
	page := policyOfPage(embedHosts)
	always := http.Header{}
	ops.SetSafeHeaders(always)
	always.Set("Permissions-Policy", permissions)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h, r := c.Response().Header(), c.Request()
			maps.Copy(h, always) // handlers replace its values and do not change them in place
			// Browsers obey this over https only, so it does no harm when a client lies
			// about the protocol.
			if r.TLS != nil || strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https") {
				h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
			}
			switch {
			case strings.HasPrefix(r.URL.Path, "/v1/"):
				h.Set(echo.HeaderCacheControl, "no-store") // secrets and customers' data
			case strings.HasPrefix(r.URL.Path, PagePath):
				h.Set(echo.HeaderCacheControl, "no-store")
				h.Set(echo.HeaderContentSecurityPolicy, page)
				// The page's forms send an Origin, to the page alone.
				h.Set(echo.HeaderReferrerPolicy, "same-origin")
				h.Set("Cross-Origin-Opener-Policy", "same-origin")
				if len(embedHosts) > 0 {
					h.Del(echo.HeaderXFrameOptions) // it cannot list hosts
				}
			}
			return next(c)
		}
	}
}
