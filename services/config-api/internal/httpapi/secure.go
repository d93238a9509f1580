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

// permissions takes from the pages, and from what might be put into them, what
// they never need.
const permissions = "accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), browsing-topics=()"

// policyOfPage returns the settings page's: it loads and calls its own server
// only, nothing in it is inline, its forms go nowhere else, and it is shown in
// the pages of the embedding hosts and in no others.
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
			maps.Copy(h, always) // whose values nobody changes in place
			// A browser believes this over https only, so that it does not matter
			// who says that the request came by it.
			if r.TLS != nil || strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https") {
				h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
			}
			switch {
			case strings.HasPrefix(r.URL.Path, "/v1/"):
				h.Set(echo.HeaderCacheControl, "no-store") // secrets and customers' data
			case strings.HasPrefix(r.URL.Path, PagePath):
				h.Set(echo.HeaderCacheControl, "no-store")
				h.Set(echo.HeaderContentSecurityPolicy, page)
				// The page's forms say where they come from: to the page alone.
				h.Set(echo.HeaderReferrerPolicy, "same-origin")
				h.Set("Cross-Origin-Opener-Policy", "same-origin")
				if len(embedHosts) > 0 {
					h.Del(echo.HeaderXFrameOptions) // it knows no list of hosts
				}
			}
			return next(c)
		}
	}
}
