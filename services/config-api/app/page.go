package app

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/config-api/internal/httpapi"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal"
)

// weekOfLog is how long the log is kept by default.
const weekOfLog = 7 * 24 * time.Hour

// newPage makes the settings page.
func newPage(cfg Config, deps Dependencies, service *manage.Service, hub *live.Hub, c *credentials, reading *httpapi.Reading) (http.Handler, error) {
	page, err := portal.New(portal.Options{
		Service: service, Live: hub, Cookies: c.cookies, Origins: c.Origins,
		DisableAfter: cmp.Or(cfg.DisableAfter, delivery.DefaultPolicy().AutoDisableAfter),
		Retention:    cmp.Or(cfg.Retention, weekOfLog),
		Embedders:    cfg.EmbedHosts,
		StatusOf:     httpapi.StatusOf,
		Reading:      reading,
		Now:          deps.Now, Log: deps.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("make the settings page: %w", err)
	}
	return page, nil
}
