package httpapi

import (
	"strings"

	"github.com/labstack/echo/v4"
)

// The content security policies: the API's answers are no pages and may load
// nothing; the documentation is a page with one style sheet of its own.
const (
	policyOfAnswers = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	policyOfDocs    = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// secure sets the headers that every answer has. A handler may replace them.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		h.Set(echo.HeaderContentSecurityPolicy, policyOfAnswers)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if strings.HasPrefix(c.Request().URL.Path, "/v1/") {
			h.Set(echo.HeaderCacheControl, "no-store") // secrets and customers' data
		}
		return next(c)
	}
}
