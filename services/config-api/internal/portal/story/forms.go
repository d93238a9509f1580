package story

import (
	"net/http"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

func formStories() []Story {
	wrong := view.FormOf(view.Entered{Provider: "zapier", URL: "http://10.0.0.1/hook", Event: "call.completed"}, []fault.Field{
		{Pointer: "/name", Detail: "name is required."},
		{Pointer: "/url", Detail: "url must start with https://."},
	})
	stale := view.EditForm(hook("0a", "CRM Call Sync", "https://crm.acme.example/hooks/dialnote", webhook.SendCallLogs, 0, webhook.Health{}).Webhook)
	stale.Problem = "The webhook has changed since you read it. Read it again and repeat your change."
	headers := view.FormOf(view.Entered{
		Name: "Calls to Make", Provider: "custom", URL: "https://hook.eu2.make.com/x7q2m4k9", Event: "call.completed",
		Headers: []view.EnteredHeader{{Name: "x-make-apikey", Value: webhook.HeaderMask, Kept: true}, {Name: "Host", Value: "example.com"}},
	}, []fault.Field{{Pointer: "/headers/Host", Detail: "Host cannot be set: dialnote, the connection or a proxy sets this header."}})
	headers.ID, headers.Version = stale.ID, stale.Version
	offer := view.FormOf(view.Entered{Name: "Calls to Sheets", Provider: "custom", URL: "https://hooks.zapier.com/hooks/catch/18204/b7e1f0/", Event: "call.completed"}, nil)
	offer.OffersZapier = true
	frame := tab("webhooks")
	return []Story{
		{Name: "form", Title: "Add Webhook", Template: "form", Frame: frame, Body: view.NewForm()},
		{Name: "form-dialog", Title: "Add Webhook, in the dialog", Dialog: true, Template: "form", Frame: frame, Body: view.NewForm()},
		{Name: "form-wrong", Title: "Add Webhook, with errors", Template: "form", Frame: frame, Body: wrong},
		{Name: "form-edit", Title: "Edit", Dialog: true, Template: "form", Frame: frame, Body: view.EditForm(hook("0a", "CRM Call Sync", "https://crm.acme.example/hooks/dialnote", webhook.SendCallLogs, 0, webhook.Health{}).Webhook)},
		{Name: "form-stale", Title: "Edit what changed meanwhile", Template: "form", Frame: frame, Body: stale},
		{Name: "form-zapier", Title: "Add Webhook, with a URL of Zapier's", Template: "form", Frame: frame, Body: offer},
		{Name: "form-headers", Title: "Edit, with headers of which one is wrong", Template: "form", Frame: frame, Body: headers},
	}
}

func askStories() []Story {
	frame := tab("webhooks")
	return []Story{
		{Name: "delete", Title: "Delete", Dialog: true, Template: "delete", Frame: frame, Body: view.Ask{Card: active(), Version: 3}},
		{Name: "delete-held", Title: "Delete with held events", Template: "delete", Frame: frame, Body: view.Ask{Card: onHold(), Version: 3, Held: true}},
		{Name: "enable", Title: "Enable", Dialog: true, Template: "enable", Frame: frame, Body: view.Ask{Card: autoDisabled(), Held: true}},
		{Name: "enable-problem", Title: "Enable, refused", Template: "enable", Frame: frame, Body: view.Ask{Card: disabled(), Problem: "This webhook is disabled by its event setting. Choose an event for it instead."}},
		{Name: "rotate", Title: "Rotate the Zapier key", Dialog: true, Template: "rotate", Frame: frame},
		{Name: "revoke", Title: "Revoke an API key", Dialog: true, Template: "revoke", Frame: tab("keys"), Body: view.RevokePage{Key: keys()[0]}},
	}
}

func request() delivery.Request {
	e := event.Sample(event.CallCompleted, "acme", "evt_test_01jd9v7q6w3k8m5n2p4r6t8v0x", clock().Now)
	return delivery.Request{URL: "https://crm.acme.example/hooks/dialnote", Header: signedHeaders(e.ID, clock().Now), Body: e.Body()}
}

// signedHeaders are the headers of a request, with signatures that stand for
// real ones.
func signedHeaders(id string, at time.Time) map[string][]string {
	return map[string][]string{
		"Content-Type":        {"application/json"},
		"Accept":              {"*/*"},
		"User-Agent":          {"DialNote-Webhooks/1.0.0"},
		"X-DialNote-Event":    {"call.completed"},
		"X-DialNote-Delivery": {deliveryID(1)},
		"webhook-id":          {id},
		"webhook-timestamp":   {strconv.FormatInt(at.Unix(), 10)},

		"X-DialNote-Signature": {signed},
		"webhook-signature":    {"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
	}
}

const signed = "sha256=5f2b8c1e9d4a7036e1b4c8a2f6d90b3715e8c4a9d2f7b1063c5e8a9f4d2b7c10"

func answered(code int, body string, past time.Duration) delivery.Outcome {
	o := delivery.Outcome{
		Result: delivery.Succeeded, StatusCode: code, RemoteAddr: "203.0.113.7:443",
		Phases: delivery.Phases{Resolve: 3 * time.Millisecond, Connect: 12 * time.Millisecond, TLS: 20 * time.Millisecond, FirstByte: 48 * time.Millisecond, Total: 84 * time.Millisecond},
		Response: delivery.Response{
			Header: map[string][]string{"Content-Type": {"application/json"}, "Date": {ago(past).Format(http.TimeFormat)}, "Server": {"nginx"}},
			Body:   []byte(body),
		},
	}
	if code > 299 {
		o.Result, o.Reason, o.Message = delivery.Failed, delivery.ReasonServerError, "Server answered 503 Service Unavailable"
	}
	return o
}

func testResult(o delivery.Outcome) *view.TestResult {
	t := view.TestResultOf(delivery.TestResult{
		Attempt: delivery.Attempt{
			ID: "att_01jd9v7q6w3k8m5n2p4r6t8v10", DeliveryID: deliveryID(1), Test: true,
			StartedAt: clock().Now, EndedAt: clock().Now.Add(84 * time.Millisecond), Outcome: o,
		},
		Request: request(),
	}, clock())
	return &t
}

const sampleData = `{
  "callSid": "CA3f1c5e9a7b2d4806",
  "direction": "inbound",
  "phoneNumber": "+15551234567",
  "status": "completed",
  "duration": 180
}`

func testStories() []Story {
	frame := tab("webhooks")
	preview := view.RequestOf(request())
	noAnswer := delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonTimeout, Message: "No answer within 30 seconds", Phases: delivery.Phases{Connect: 9 * time.Millisecond, Total: 30 * time.Second}, RemoteAddr: "203.0.113.7:443"}
	body := func(p view.TestPage) view.TestPage {
		p.Card, p.Payload.Value = active(), sampleData
		return p
	}
	broken := body(view.TestPage{})
	broken.Payload = view.Input{Value: "{\n  \"callSid\": \n}", Error: "The data is not JSON: at byte 15: a value is missing."}
	return []Story{
		{Name: "test", Title: "Test", Template: "test", Frame: frame, Body: body(view.TestPage{})},
		{Name: "test-delivered", Title: "Test, delivered", Dialog: true, Template: "test", Frame: frame, Body: body(view.TestPage{Result: testResult(answered(200, `{"received":true}`, 0))})},
		{Name: "test-failed", Title: "Test, failed", Template: "test", Frame: frame, Body: body(view.TestPage{Result: testResult(answered(503, "upstream connect error", 0))})},
		{Name: "test-timeout", Title: "Test, no answer", Dialog: true, Template: "test", Frame: frame, Body: body(view.TestPage{Result: testResult(noAnswer)})},
		{Name: "test-preview", Title: "Test, preview of the signed request", Template: "test", Frame: frame, Body: body(view.TestPage{Preview: &preview})},
		{Name: "test-wrong", Title: "Test, payload that is not JSON", Template: "test", Frame: frame, Body: broken},
		{Name: "test-refused", Title: "Test, refused", Dialog: true, Template: "test", Frame: frame, Body: view.TestPage{Card: disabled(), Problem: "Only an active webhook can be tested. This one is disabled: choose an event for it first."}},
	}
}

func noticeStories() []Story {
	return []Story{
		{Name: "no-session", Title: "Without a session", Template: "notice", Frame: render.Frame{}, Body: view.Notice{Title: "Open this page from dialnote", Says: "In dialnote, go to Settings → Webhooks. The page opens with your organization's webhooks. For your safety it closes after a working day."}},
		{Name: "not-found", Title: "Not found", Template: "notice", Frame: tab("webhooks"), Body: view.Notice{Title: "There is no such webhook", Says: "It may have been deleted meanwhile.", Back: true}},
		{Name: "trouble", Title: "Trouble on our side", Template: "notice", Frame: tab("webhooks"), Body: view.Notice{Title: "Something went wrong on our side", Says: "Try again in a moment. If it goes on, tell us the request below.", RequestID: "01jd9v7q6w3k8m5n2p4r6t8v0x", Back: true}},
	}
}
