package sqlstore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
)

// AttemptRow is a row of attempts.
type AttemptRow struct {
	ID                string    `db:"id"`
	DeliveryID        string    `db:"delivery_id"`
	WebhookID         string    `db:"webhook_id"`
	OrganizationID    string    `db:"organization_id"`
	EventID           string    `db:"event_id"`
	EventType         string    `db:"event_type"`
	EventSequence     int64     `db:"event_sequence"`
	Number            int       `db:"number"`
	Test              bool      `db:"test"`
	URL               string    `db:"url"`
	StartedAt         Timestamp `db:"started_at"`
	EndedAt           Timestamp `db:"ended_at"`
	Result            string    `db:"result"`
	Reason            string    `db:"reason"`
	Message           string    `db:"message"`
	StatusCode        int       `db:"status_code"`
	RetryAfter        int64     `db:"retry_after_ns"`
	ResponseHeader    JSON      `db:"response_header"`
	ResponseBody      []byte    `db:"response_body"`
	ResponseTruncated bool      `db:"response_truncated"`
	RemoteAddr        string    `db:"remote_addr"`
	Resolve           int64     `db:"resolve_ns"`
	Connect           int64     `db:"connect_ns"`
	TLS               int64     `db:"tls_ns"`
	FirstByte         int64     `db:"first_byte_ns"`
	Total             int64     `db:"total_ns"`
	Status            string    `db:"status"`
	NextAt            Timestamp `db:"next_at"`
	RequestBody       []byte    `db:"request_body"` // NULL unless Test
	HeaderNames       Names     `db:"header_names"`
	SentTwice         Flag      `db:"sent_twice"`
	ResponseEncoding  Text      `db:"response_encoding"`
	HeaderTruncated   Flag      `db:"response_header_truncated"`
}

// AttemptColumns are the columns of attempts in the order of Params.
const AttemptColumns = `id, delivery_id, webhook_id, organization_id, event_id, event_type, event_sequence,
	number, test, url, started_at, ended_at, result, reason, message, status_code, retry_after_ns,
	response_header, response_body, response_truncated, remote_addr,
	resolve_ns, connect_ns, tls_ns, first_byte_ns, total_ns, status, next_at, request_body, header_names, sent_twice,
	response_encoding, response_header_truncated`

// AttemptColumnCount is how many AttemptColumns there are.
const AttemptColumnCount = 33

// Params appends what to write of row, in the order of AttemptColumns.
func (d Dialect) Params(params []any, row *AttemptRow) []any {
	return append(params,
		row.ID, row.DeliveryID, row.WebhookID, row.OrganizationID, row.EventID, row.EventType, row.EventSequence,
		row.Number, row.Test, row.URL, d.Param(row.StartedAt), d.Param(row.EndedAt),
		row.Result, row.Reason, row.Message, row.StatusCode, row.RetryAfter,
		row.ResponseHeader.Param(), row.ResponseBody, row.ResponseTruncated, row.RemoteAddr,
		row.Resolve, row.Connect, row.TLS, row.FirstByte, row.Total, row.Status, d.Param(row.NextAt), orNull(row.RequestBody), row.HeaderNames.Param(), row.SentTwice.Param(),
		row.ResponseEncoding.Param(), row.HeaderTruncated.Param())
}

// Names is a text column with names between spaces; empty is NULL.
type Names []string

// Scan implements sql.Scanner.
func (n *Names) Scan(value any) error {
	var text JSON
	if err := text.Scan(value); err != nil {
		return err
	}
	*n = nil
	if text != "" {
		*n = strings.Split(string(text), " ")
	}
	return nil
}

// Param returns what to write: NULL when empty.
func (n Names) Param() any {
	if len(n) == 0 {
		return nil
	}
	return strings.Join(n, " ")
}

// Text is a text column that is NULL when empty.
type Text string

// Scan implements sql.Scanner.
func (t *Text) Scan(value any) error {
	var text sql.NullString
	if err := text.Scan(value); err != nil {
		return fmt.Errorf("read a text: %w", err)
	}
	*t = Text(text.String)
	return nil
}

// Param returns what to write: NULL when empty.
func (t Text) Param() any {
	if t == "" {
		return nil
	}
	return string(t)
}

// Flag is a boolean column that is NULL for false.
type Flag bool

// Scan implements sql.Scanner.
func (f *Flag) Scan(value any) error {
	var set sql.NullBool
	if err := set.Scan(value); err != nil {
		return fmt.Errorf("read a flag: %w", err)
	}
	*f = Flag(set.Bool)
	return nil
}

// Param returns what to write: NULL for false.
func (f Flag) Param() any {
	if !f {
		return nil
	}
	return true
}

func orNull(bytes []byte) any {
	if bytes == nil {
		return nil
	}
	return bytes
}

// maxResponseBody is how much of an answer the log keeps (specification,
// section 4). The dispatcher cuts it already.
const maxResponseBody = 4 << 10

// attemptRow returns a step of a fold as the log keeps it.
func attemptRow(step *delivery.Step) (AttemptRow, error) {
	a, o := step.Attempt, &step.Attempt.Outcome
	if a.EventSequence > math.MaxInt64 {
		return AttemptRow{}, fmt.Errorf("attempt %s: event sequence %d is out of range", a.ID, a.EventSequence)
	}
	body := o.Response.Body[:min(len(o.Response.Body), maxResponseBody)]
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	return AttemptRow{
		ID: a.ID, DeliveryID: a.DeliveryID, WebhookID: a.WebhookID, OrganizationID: a.OrganizationID,
		EventID: a.EventID, EventType: string(a.EventType), EventSequence: int64(a.EventSequence),
		Number: a.Number, Test: a.Test, URL: a.URL, StartedAt: Timestamp{a.StartedAt}, EndedAt: Timestamp{a.EndedAt},
		Result: string(o.Result), Reason: string(o.Reason), Message: o.Message, StatusCode: o.StatusCode,
		RetryAfter: int64(o.RetryAfter), ResponseHeader: headerJSON(o.Response.Header), ResponseBody: body,
		ResponseTruncated: o.Response.Truncated || len(body) < len(o.Response.Body), RemoteAddr: o.RemoteAddr,
		Resolve: int64(o.Phases.Resolve), Connect: int64(o.Phases.Connect), TLS: int64(o.Phases.TLS),
		FirstByte: int64(o.Phases.FirstByte), Total: int64(o.Phases.Total),
		Status: string(step.Decision.Status), NextAt: Timestamp{step.Decision.At}, RequestBody: a.Body, HeaderNames: a.HeaderNames,
		SentTwice: Flag(o.SentTwice), ResponseEncoding: Text(o.Response.Encoding), HeaderTruncated: Flag(o.Response.HeaderTruncated),
	}, nil
}

// logged returns what row holds.
func (row AttemptRow) logged() (store.LoggedAttempt, error) {
	a := delivery.Attempt{
		ID: row.ID, DeliveryID: row.DeliveryID, WebhookID: row.WebhookID, OrganizationID: row.OrganizationID,
		EventID: row.EventID, EventType: event.Type(row.EventType),
		EventSequence: uint64(row.EventSequence), //nolint:gosec // It was checked when it was written.
		Number:        row.Number, Test: row.Test, URL: row.URL, HeaderNames: row.HeaderNames, StartedAt: row.StartedAt.Time, EndedAt: row.EndedAt.Time,
		Outcome: delivery.Outcome{
			Result: delivery.Result(row.Result), Reason: delivery.Reason(row.Reason), Message: row.Message,
			StatusCode: row.StatusCode, RetryAfter: time.Duration(row.RetryAfter), RemoteAddr: row.RemoteAddr,
			SentTwice: bool(row.SentTwice),
			Response: delivery.Response{
				Truncated: row.ResponseTruncated, HeaderTruncated: bool(row.HeaderTruncated), Encoding: string(row.ResponseEncoding),
			},
			Phases: delivery.Phases{
				Resolve: time.Duration(row.Resolve), Connect: time.Duration(row.Connect), TLS: time.Duration(row.TLS),
				FirstByte: time.Duration(row.FirstByte), Total: time.Duration(row.Total),
			},
		},
	}
	if len(row.RequestBody) > 0 {
		a.Body = row.RequestBody
	}
	if len(row.ResponseBody) > 0 {
		a.Outcome.Response.Body = row.ResponseBody
	}
	if err := json.Unmarshal([]byte(row.ResponseHeader), &a.Outcome.Response.Header); err != nil {
		return store.LoggedAttempt{}, fmt.Errorf("read response header of attempt %s: %w", row.ID, err)
	}
	return store.LoggedAttempt{Attempt: a, Status: delivery.Status(row.Status), NextAt: row.NextAt.Time}, nil
}
