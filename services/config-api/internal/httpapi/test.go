package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/config-api/internal/api"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// TestWebhook answers POST /v1/organizations/{org}/webhooks/{id}/test. The body
// is checked by the event's own rules and not by its schema: what is signed
// comes from these bytes.
func (s *server) TestWebhook(c echo.Context, org api.Org, id api.WebhookID) error {
	text, err := readBody(c)
	if err != nil {
		return err
	}
	result, err := s.Service.Test(c.Request().Context(), actor(c), org, id, text)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, presentTestResult(result))
}

// timeFor bounds the work for one request of an operation. A test takes as long as
// its receiver does, and a moment for the response.
func (s *server) timeFor(op *contract.Operation) time.Duration {
	if op.ID == "testWebhook" {
		return max(requestTime, s.Service.TestTime()+time.Second)
	}
	return requestTime
}

func presentTestResult(t delivery.TestResult) api.TestResult {
	a, o := t.Attempt, t.Attempt.Outcome
	r := api.TestResult{
		DeliveryID: a.DeliveryID,
		EventID:    a.EventID,
		Status:     api.TestResultStatusDelivered,
		StartedAt:  delivery.Recordable(a.StartedAt),
		DurationMs: max(0, a.EndedAt.Sub(a.StartedAt).Milliseconds()),
		Request:    api.Message{URL: t.Request.URL, Headers: t.Request.Header, Body: string(t.Request.Body)},
		Phases:     presentPhases(o.Phases),
		SentTwice:  unlessZero(o.SentTwice),
	}
	if t.Request.URL == "" { // nothing could be sent
		r.Request = api.Message{URL: a.URL, Headers: api.Headers{}, Body: string(a.Body)}
	}
	if o.Result != delivery.Succeeded {
		reason := api.FailureReason(o.Reason)
		r.Status, r.Reason, r.Message = api.TestResultStatusFailed, &reason, &o.Message
	}
	if r.Response = presentAnswer(o); r.Response != nil {
		r.StatusCode = &r.Response.StatusCode
	}
	return r
}

// presentPhases returns the phases in milliseconds, without those that were not
// needed.
func presentPhases(p delivery.Phases) api.Phases {
	ms := func(d time.Duration) float32 { return float32(d.Microseconds()) / 1000 }
	unlessZero := func(d time.Duration) *float32 {
		if d <= 0 {
			return nil
		}
		return new(ms(d))
	}
	return api.Phases{
		Resolve: unlessZero(p.Resolve), Connect: unlessZero(p.Connect), TLS: unlessZero(p.TLS),
		FirstByte: unlessZero(p.FirstByte), Total: ms(max(0, p.Total)),
	}
}
