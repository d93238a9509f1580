package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
)

// ListDeliveries answers GET /v1/organizations/{org}/webhooks/{id}/deliveries.
func (s *server) ListDeliveries(c echo.Context, org api.Org, id api.WebhookID, p api.ListDeliveriesParams) error {
	page, err := pageOf(p.Limit, p.Cursor)
	if err != nil {
		return err
	}
	list, next, err := s.Service.ListDeliveries(c.Request().Context(), org, id, filterOf(p), page)
	if err != nil {
		return listError(err)
	}
	return writePage(c, next, list, presentDelivery)
}

func filterOf(p api.ListDeliveriesParams) store.DeliveryFilter {
	return store.DeliveryFilter{
		Status:     delivery.Status(valueOf(p.Status)),
		EventType:  event.Type(valueOf(p.EventType)),
		EventID:    valueOf(p.EventID),
		DeliveryID: valueOf(p.DeliveryID),
		Since:      moment(p.Since),
		Until:      moment(p.Until),
		Message:    valueOf(p.Error),
	}
}

// valueOf returns what p points to, the zero value for nil.
func valueOf[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// moment returns the time of a parameter, the zero time for an absent one only.
func moment(t *time.Time) time.Time {
	if t != nil && t.IsZero() {
		return t.Add(1)
	}
	return valueOf(t)
}

// GetDelivery answers GET /v1/organizations/{org}/webhooks/{id}/deliveries/{deliveryId}.
func (s *server) GetDelivery(c echo.Context, org api.Org, id api.WebhookID, deliveryID api.DeliveryID, p api.GetDeliveryParams) error {
	after, err := decodeCursor(p.Cursor)
	if err != nil {
		return err
	}
	view, err := s.Service.Delivery(c.Request().Context(), org, id, deliveryID, after)
	if err != nil {
		return listError(err)
	}
	return writeList(c, presentDetail(view), "log", entriesOf(view), presentEntry, view.Next)
}

// GetWebhookStats answers GET /v1/organizations/{org}/webhooks/{id}/stats.
func (s *server) GetWebhookStats(c echo.Context, org api.Org, id api.WebhookID, p api.GetWebhookStatsParams) error {
	window := valueOf(p.Window)
	if p.Window == nil {
		window = "24h"
	}
	hours, err := strconv.Atoi(strings.TrimSuffix(window, "h"))
	if err != nil {
		return fault.Of(err) // the document lets no such text through
	}
	stats, err := s.Service.Stats(c.Request().Context(), org, id, hours)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, presentStats(window, stats))
}
