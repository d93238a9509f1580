package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// WebhookRow is a row of webhooks. Its JSON has the columns' names.
type WebhookRow struct {
	ID             string    `db:"id" json:"id"`
	OrganizationID string    `db:"organization_id" json:"-"`
	Name           string    `db:"name" json:"-"`
	Provider       string    `db:"provider" json:"-"`
	URL            string    `db:"url" json:"-"`
	Event          string    `db:"event" json:"-"`
	Secret         []byte    `db:"secret" json:"-"`  // sealed
	Headers        []byte    `db:"headers" json:"-"` // sealed; NULL without any
	CreatedAt      Timestamp `db:"created_at" json:"-"`
	UpdatedAt      Timestamp `db:"updated_at" json:"updated_at"`
	OrderedFrom    int64     `db:"ordered_from" json:"-"` // a stream sequence, less than 2^63
	Version        int64     `db:"version" json:"version"`
	FailureCount   int       `db:"failure_count" json:"failure_count"`
	Outages        JSON      `db:"outages" json:"outages"`
	CountFrom      Timestamp `db:"count_from" json:"count_from"`
	LastSentAt     Timestamp `db:"last_sent_at" json:"last_sent_at"`
	LastError      JSON      `db:"last_error" json:"last_error"`
	HoldUntil      Timestamp `db:"hold_until" json:"hold_until"`
	AutoDisabled   string    `db:"auto_disabled" json:"auto_disabled"`
	Waiting        bool      `db:"waiting" json:"waiting"`
}

const (
	openColumns = `id, organization_id, name, provider, url, event, created_at, updated_at, ordered_from, version,
	failure_count, outages, count_from, last_sent_at, last_error, hold_until, auto_disabled, waiting`
	webhookColumns = openColumns + `, secret, headers` // with what is sealed
)

// JSON is a text column that holds JSON; empty is NULL.
type JSON string

// Scan implements sql.Scanner.
func (j *JSON) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*j = ""
	case string:
		*j = JSON(v)
	case []byte:
		*j = JSON(v)
	default:
		return fmt.Errorf("a %T is no JSON", value)
	}
	return nil
}

// Param returns what to write: NULL when empty.
func (j JSON) Param() any {
	if j == "" {
		return nil
	}
	return string(j)
}

// MarshalJSON returns the text itself, or null.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == "" {
		return []byte("null"), nil
	}
	return []byte(j), nil
}

// healthRow returns the part of w's row that recording changes.
func healthRow(w webhook.Webhook) (WebhookRow, error) {
	h := w.Health
	outages := make([]webhook.Outage, 0, len(h.Outages)) // [] and not null
	for _, o := range h.Outages {
		took := webhook.Interval{Start: recordable(o.Start).Time, End: recordable(o.End).Time}
		outages = append(outages, webhook.Outage{Interval: took, Recorded: recordable(o.Recorded).Time})
	}
	row := WebhookRow{
		ID: w.ID, UpdatedAt: recordable(w.UpdatedAt), Version: w.Version,
		FailureCount: h.FailureCount, CountFrom: recordable(h.CountFrom), LastSentAt: recordable(h.LastSentAt),
		HoldUntil: recordable(h.HoldUntil), AutoDisabled: string(h.AutoDisabled), Waiting: w.Waiting,
	}
	text, err := json.Marshal(outages)
	if err != nil {
		return WebhookRow{}, fmt.Errorf("write outages: %w", err)
	}
	row.Outages = JSON(text)
	if h.LastError == nil {
		return row, nil
	}
	last := *h.LastError
	last.At, last.Message = recordable(last.At).Time, storableText(last.Message)
	if text, err = json.Marshal(last); err != nil {
		return WebhookRow{}, fmt.Errorf("write last error: %w", err)
	}
	row.LastError = JSON(text)
	return row, nil
}

// webhookRow returns w as it is kept, with its secret as sealed. Its headers are
// still to be set.
func webhookRow(w webhook.Webhook, sealed []byte) (WebhookRow, error) {
	row, err := healthRow(w)
	if err != nil {
		return WebhookRow{}, err
	}
	row.OrganizationID, row.Name, row.Provider = w.OrganizationID, w.Name, string(w.Provider)
	row.URL, row.Event, row.Secret = w.URL, string(w.Event), sealed
	row.CreatedAt, row.OrderedFrom = recordable(w.CreatedAt), int64(w.OrderedFrom) //nolint:gosec // a stream never holds 2^63 messages
	return row, nil
}

// seal returns a webhook's secret as it is kept: bound to its webhook's id.
func (s *Store) seal(w webhook.Webhook) ([]byte, error) {
	sealed, err := s.Box.Seal([]byte(w.Secret.Reveal()), []byte(w.ID))
	if err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	return sealed, nil
}

// webhook returns what row holds, its secret and headers opened.
func (s *Store) webhook(row WebhookRow) (webhook.Webhook, error) {
	secret, err := s.Box.Open(row.Secret, []byte(row.ID))
	if err != nil {
		return webhook.Webhook{}, fmt.Errorf("open secret of webhook %s: %w", row.ID, err)
	}
	headers, err := s.openHeaders(row)
	if err != nil {
		return webhook.Webhook{}, err
	}
	w, err := row.unsealed()
	if err != nil {
		return webhook.Webhook{}, err
	}
	w.Secret, w.Headers = webhook.Secret(secret), headers
	return w, nil
}

// unsealed returns what row holds but the webhook's secret and headers.
func (row WebhookRow) unsealed() (webhook.Webhook, error) {
	w := webhook.Webhook{
		ID: row.ID, OrganizationID: row.OrganizationID, Name: row.Name, Provider: webhook.Provider(row.Provider),
		URL: row.URL, Event: webhook.Setting(row.Event),
		CreatedAt: row.CreatedAt.Time, UpdatedAt: row.UpdatedAt.Time, OrderedFrom: uint64(row.OrderedFrom), Version: row.Version, //nolint:gosec // a CHECK keeps it from being negative
		Waiting: row.Waiting,
		Health: webhook.Health{
			FailureCount: row.FailureCount, CountFrom: row.CountFrom.Time, LastSentAt: row.LastSentAt.Time,
			HoldUntil: row.HoldUntil.Time, AutoDisabled: webhook.DisabledReason(row.AutoDisabled),
		},
	}
	if row.Outages != "[]" { // nearly always; none is nil, as Decide leaves it
		if err := json.Unmarshal([]byte(row.Outages), &w.Health.Outages); err != nil {
			return webhook.Webhook{}, fmt.Errorf("read outages of webhook %s: %w", row.ID, err)
		}
	}
	if row.LastError == "" {
		return w, nil
	}
	if err := json.Unmarshal([]byte(row.LastError), &w.Health.LastError); err != nil {
		return webhook.Webhook{}, fmt.Errorf("read last error of webhook %s: %w", row.ID, err)
	}
	return w, nil
}

func (s *Store) webhooks(rows []WebhookRow) ([]webhook.Webhook, error) {
	list := make([]webhook.Webhook, 0, len(rows))
	for _, row := range rows {
		w, err := s.webhook(row)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// storableText returns text without what a text column refuses (invalid UTF-8,
// NUL): an endpoint may answer anything, and it must be recorded.
func storableText(text string) string {
	if utf8.ValidString(text) && !strings.Contains(text, "\x00") {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
