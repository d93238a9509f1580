package httpapi

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// GetLiveness answers GET /livez.
func (s *server) GetLiveness(c echo.Context) error {
	return writeJSON(c, http.StatusOK, api.Liveness{Status: api.LivenessStatusAlive})
}

// GetReadiness answers GET /readyz with the names of the parts that are away. It
// does not say why, because the request needs no credential.
func (s *server) GetReadiness(c echo.Context) error {
	away := []string{}
	for name := range s.Health.Ready(c.Request().Context()) {
		away = append(away, name)
	}
	slices.Sort(away)
	if len(away) > 0 {
		return writeJSON(c, http.StatusServiceUnavailable, api.Readiness{Status: api.ReadinessStatusUnready, Away: away})
	}
	return writeJSON(c, http.StatusOK, api.Readiness{Status: api.ReadinessStatusReady, Away: away})
}

// GetMetrics answers GET /metrics.
func (s *server) GetMetrics(c echo.Context) error {
	s.metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

// GetDocument answers GET /openapi.json.
func (s *server) GetDocument(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, s.Document.JSON()) //nolint:wrapcheck // the caller has left
}

// GetDocs answers GET /docs.
func (s *server) GetDocs(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, policyOfDocs)
	h.Set(echo.HeaderCacheControl, "no-cache")
	return c.HTMLBlob(http.StatusOK, s.docs.HTML()) //nolint:wrapcheck // the caller has left
}

func (s *server) getStyle(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", s.docs.CSS()) //nolint:wrapcheck // the caller has left
}
