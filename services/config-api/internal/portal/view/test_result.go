package view

import (
	"github.com/dialnote/webhooks/pkg/delivery"
)

// TestResult is the result of a test.
type TestResult struct {
	Delivered  bool
	Headline   string // "Delivered: 200 OK in 84 ms"
	Why        Explanation
	DeliveryID string
	Attempt    Attempt
	Payload    Body
}

// TestResultOf returns the result of a test as it is shown.
func TestResultOf(t delivery.TestResult, c Clock) TestResult {
	a, o := t.Attempt, t.Attempt.Outcome
	took := Took(a.EndedAt.Sub(a.StartedAt))
	shown := TestResult{
		Delivered: o.Result == delivery.Succeeded, DeliveryID: a.DeliveryID,
		Attempt: Attempt{
			ID: a.ID, Title: "Test", Badge: resultBadge(o.Result), Sent: true, At: c.Moment(a.StartedAt), Took: took,
			Result: o.Message, Remote: o.RemoteAddr, Phases: phasesOf(o.Phases), Answer: answerOf(o), Open: true,
		},
	}
	if t.Request.URL != "" {
		shown.Attempt.URL, shown.Attempt.Headers = t.Request.URL, headerLines(t.Request.Header)
		shown.Attempt.Curl = Curl(t.Request)
		shown.Payload = BodyOf(t.Request.Body, false)
	}
	if shown.Delivered {
		shown.Attempt.Result = statusText(o.StatusCode)
		shown.Headline = "Delivered: your endpoint answered " + statusText(o.StatusCode) + " in " + took
		return shown
	}
	shown.Headline = "Not delivered: " + o.Message
	shown.Why = Explain(o.Reason)
	return shown
}

// Request is a request as it would be sent.
type Request struct {
	URL     string
	Headers []HeaderLine
	Body    Body
	Curl    string
}

// RequestOf returns a request as it is shown.
func RequestOf(r delivery.Request) Request {
	return Request{URL: r.URL, Headers: headerLines(r.Header), Body: BodyOf(r.Body, false), Curl: Curl(r)}
}
