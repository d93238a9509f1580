package httpapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
)

// pageLive is the stream of the settings page, whose duration is not measured.
const pageLive = "/portal/live"

// StatusOf returns the HTTP status of a kind of error: for the settings page,
// which answers with pages.
func StatusOf(kind fault.Kind) int { return statusOf(kind) }

// servePage routes everything under PagePath to the settings page, which checks its
// own sessions.
func (s *server) servePage(e *echo.Echo) {
	if s.Page == nil {
		return
	}
	e.GET(strings.TrimSuffix(PagePath, "/"), func(c echo.Context) error {
		return c.Redirect(http.StatusSeeOther, PagePath)
	})
	e.Any(PagePath+"*", echo.WrapHandler(s.Page), s.limiters.page, s.sharePage)
}

// pageRoute returns the settings page's own route of a request that it has
// answered, "" for any other.
func pageRoute(r *http.Request) string {
	if !strings.HasPrefix(r.URL.Path, PagePath) {
		return ""
	}
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return path
	}
	return r.Pattern
}
