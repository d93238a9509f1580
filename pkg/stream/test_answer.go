package stream

import (
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

// The JSON of a reply to a TestCall. Services of two versions exchange it during
// an upgrade, so it may only gain fields that a reader can do without; a test
// compares it with testdata/test-answer.json. Times are RFC 3339 in UTC, durations
// whole nanoseconds, bytes base64.

// testReply is the answer to a TestCall: a result, or a fault.
type testReply struct {
	Result *testResultMessage `json:"trial,omitempty"`
	Fault  *faultMessage      `json:"fault,omitempty"`

	// Leaving says that the test was not begun, because the dispatcher stops. Fault
	// says the same to a caller that does not know this field.
	Leaving bool `json:"leaving,omitempty"`
}

// faultMessage is a fault without its cause, which stays in the dispatcher's log.
type faultMessage struct {
	Kind   string        `json:"kind"` // by its name
	Code   string        `json:"code"`
	Detail string        `json:"detail"`
	Fields []fault.Field `json:"fields,omitempty"`
}

type testResultMessage struct {
	Attempt attemptMessage `json:"attempt"`
	Request requestMessage `json:"request"`
}

type attemptMessage struct {
	ID             string         `json:"id"`
	DeliveryID     string         `json:"deliveryId"`
	WebhookID      string         `json:"webhookId"`
	OrganizationID string         `json:"organizationId"`
	EventID        string         `json:"eventId"`
	EventType      event.Type     `json:"eventType"`
	Number         int            `json:"number"`
	URL            string         `json:"url"`
	HeaderNames    []string       `json:"headerNames,omitempty"`
	StartedAt      time.Time      `json:"startedAt"`
	EndedAt        time.Time      `json:"endedAt"`
	Outcome        outcomeMessage `json:"outcome"`
	Body           []byte         `json:"body"`
}

type outcomeMessage struct {
	Result     delivery.Result `json:"result"`
	Reason     delivery.Reason `json:"reason,omitempty"`
	Message    string          `json:"message,omitempty"`
	StatusCode int             `json:"statusCode,omitempty"`
	RetryAfter time.Duration   `json:"retryAfter,omitempty"`
	Response   responseMessage `json:"response"`
	RemoteAddr string          `json:"remoteAddr,omitempty"`
	SentTwice  bool            `json:"sentTwice,omitempty"`
	Phases     delivery.Phases `json:"phases"`
}

type responseMessage struct {
	Header          map[string][]string `json:"header,omitempty"`
	HeaderTruncated bool                `json:"headerTruncated,omitempty"`
	Body            []byte              `json:"body,omitempty"`
	Truncated       bool                `json:"truncated,omitempty"`
	Encoding        string              `json:"encoding,omitempty"`
}

type requestMessage struct {
	URL    string              `json:"url"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`
}

func messageOfTestResult(t delivery.TestResult) *testResultMessage {
	a, o := t.Attempt, t.Attempt.Outcome
	return &testResultMessage{
		Attempt: attemptMessage{
			ID: a.ID, DeliveryID: a.DeliveryID, WebhookID: a.WebhookID, OrganizationID: a.OrganizationID,
			EventID: a.EventID, EventType: a.EventType, Number: a.Number, URL: a.URL, HeaderNames: a.HeaderNames,
			StartedAt: a.StartedAt.UTC(), EndedAt: a.EndedAt.UTC(), Body: a.Body,
			Outcome: outcomeMessage{
				Result: o.Result, Reason: o.Reason, Message: o.Message, StatusCode: o.StatusCode, RetryAfter: o.RetryAfter,
				Response: responseMessage(o.Response), RemoteAddr: o.RemoteAddr, SentTwice: o.SentTwice, Phases: o.Phases,
			},
		},
		Request: requestMessage(t.Request),
	}
}

// result returns the result that the message holds. Its attempt is a test.
func (m *testResultMessage) result() delivery.TestResult {
	a, o := m.Attempt, m.Attempt.Outcome
	return delivery.TestResult{
		Attempt: delivery.Attempt{
			ID: a.ID, DeliveryID: a.DeliveryID, WebhookID: a.WebhookID, OrganizationID: a.OrganizationID,
			EventID: a.EventID, EventType: a.EventType, Number: a.Number, URL: a.URL, HeaderNames: a.HeaderNames,
			StartedAt: a.StartedAt, EndedAt: a.EndedAt, Test: true, Body: a.Body,
			Outcome: delivery.Outcome{
				Result: o.Result, Reason: o.Reason, Message: o.Message, StatusCode: o.StatusCode, RetryAfter: o.RetryAfter,
				Response: delivery.Response(o.Response), RemoteAddr: o.RemoteAddr, SentTwice: o.SentTwice, Phases: o.Phases,
			},
		},
		Request: delivery.Request(m.Request),
	}
}

func messageOfFault(f *fault.Error) *faultMessage {
	return &faultMessage{Kind: f.Kind.String(), Code: f.Code, Detail: f.Detail, Fields: f.Fields}
}

func (m *faultMessage) fault() *fault.Error {
	return &fault.Error{Kind: fault.ParseKind(m.Kind), Code: m.Code, Detail: m.Detail, Fields: m.Fields}
}
