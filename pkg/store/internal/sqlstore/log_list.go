package sqlstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

// candidateRow is a row of the log that may say how its delivery stands.
type candidateRow struct {
	ID            string    `db:"id"`
	DeliveryID    string    `db:"delivery_id"`
	EventID       string    `db:"event_id"`
	EventType     string    `db:"event_type"`
	EventSequence int64     `db:"event_sequence"`
	Test          bool      `db:"test"`
	Status        string    `db:"status"`
	Message       string    `db:"message"`
	StartedAt     Timestamp `db:"started_at"`
	EndedAt       Timestamp `db:"ended_at"`
	NextAt        Timestamp `db:"next_at"`
}

// mostAtOnce is how many candidates ListDeliveries reads at a time.
const mostAtOnce = 2000

// mostCandidates is the default of Store.MostCandidates.
const mostCandidates = 40_000

// ListDeliveries implements store.Log. It reads rows by the newest and drops
// those that are not the last of their delivery, as nearly all are. In one
// statement Postgres would sometimes join the whole log to find them.
func (s *Store) ListDeliveries(ctx context.Context, organizationID, webhookID string, filter store.DeliveryFilter, page store.Page,
) ([]store.LoggedDelivery, string, error) {
	const op = "list deliveries"
	if err := s.mustHave(ctx, organizationID, webhookID); err != nil {
		return nil, "", s.Explain(ctx, op, err)
	}
	where := s.conditions(webhookID, filter)
	if where == nil {
		return nil, "", nil
	}
	most := cmp.Or(s.MostCandidates, mostCandidates)
	limit, end := max(page.Limit, 1), "" // end is the cursor of the last one that the page has room for
	var list []store.LoggedDelivery
	for after, looked, step := page.After, 0, limit+1; ; step = min(2*step, mostAtOnce, most) {
		rows, err := s.candidates(ctx, *where, after, step)
		if err != nil {
			return nil, "", s.Explain(ctx, op, err)
		}
		known, err := s.summaries(ctx, webhookID, rows)
		if err != nil {
			return nil, "", s.Explain(ctx, op, err)
		}
		for _, row := range rows {
			switch d := known[row.DeliveryID]; {
			case d.latest != row.ID:
				continue
			case len(list) == limit: // another page follows
				return list, end, nil
			default:
				list, end = append(list, loggedDelivery(webhookID, row, d)), logCursor(row)
			}
		}
		if looked += len(rows); len(rows) < step {
			return list, "", nil
		}
		if after = logCursor(rows[len(rows)-1]); looked >= most {
			return list, after, nil
		}
	}
}

// mustHave returns NotFound when the organization does not have the webhook.
func (s *Store) mustHave(ctx context.Context, organizationID, webhookID string) error {
	const one = `SELECT 1 FROM webhooks WHERE organization_id = ? AND id = ?`
	var there int
	return orNotFound(s.Reader.GetContext(ctx, &there, s.Reader.Rebind(one), organizationID, webhookID), webhookNotFound())
}

// candidates returns the rows that meet the conditions, the newest first.
func (s *Store) candidates(ctx context.Context, where conditions, after string, limit int) ([]candidateRow, error) {
	query, args, err := s.candidatesQuery(where, after, limit)
	if err != nil {
		return nil, err
	}
	var rows []candidateRow
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), args...); err != nil {
		return nil, fmt.Errorf("select candidates: %w", err)
	}
	return rows, nil
}

func (s *Store) candidatesQuery(where conditions, after string, limit int) (string, []any, error) {
	if after != "" {
		at, id, err := parseLogCursor(after)
		if err != nil {
			return "", nil, err
		}
		where = where.and(`started_at <= ?`, s.Dialect.Param(at)) // a comparison of rows excludes no partitions
		where = where.and(`(started_at, id) < (?, ?)`, s.Dialect.Param(at), id)
	}
	query := `SELECT id, delivery_id, event_id, event_type, event_sequence, test, status, message, started_at, ended_at, next_at
		FROM attempts WHERE ` + strings.Join(where.terms, ` AND `) + ` ORDER BY started_at DESC, id DESC LIMIT ?`
	return query, append(where.args, limit), nil
}

// conditions collects terms with their arguments.
type conditions struct {
	terms []string
	args  []any
}

// and returns c with one more.
func (c conditions) and(term string, args ...any) conditions {
	return conditions{terms: append(slices.Clip(c.terms), term), args: append(slices.Clip(c.args), args...)}
}

// conditions returns what a row must meet, nil when none can. The terms are
// written so that the indexes serve them: attempts_open holds what is not
// delivered.
func (s *Store) conditions(webhookID string, f store.DeliveryFilter) *conditions {
	var c conditions
	if f.EventID != "" {
		// The id follows from the event, so that both are one filter.
		id := delivery.ID(webhookID, f.EventID)
		if f.DeliveryID != "" && f.DeliveryID != id {
			return nil
		}
		f.DeliveryID = id
	}
	if f.DeliveryID != "" {
		c = c.and(`delivery_id = ?`, f.DeliveryID)
		c = c.and(`webhook_id || '' = ?`, webhookID) // not by this index, which has far more rows
	} else {
		c = c.and(`webhook_id = ?`, webhookID)
	}
	if f.Status != "" {
		c = c.and(`status = ?`, string(f.Status))
	}
	if f.Message != "" || f.Status != "" && f.Status != delivery.StatusDelivered {
		c = c.and(`status <> '` + string(delivery.StatusDelivered) + `'`)
	}
	if f.Message != "" {
		c = c.and(`lower(message) LIKE lower(?) ESCAPE '!'`, `%`+escapeLike(f.Message)+`%`)
	}
	if f.EventType != "" {
		c = c.and(`event_type = ?`, string(f.EventType))
	}
	if !f.Since.IsZero() {
		c = c.and(`started_at >= ?`, s.Dialect.Param(ceiling(f.Since)))
	}
	if !f.Until.IsZero() {
		c = c.and(`started_at < ?`, s.Dialect.Param(ceiling(f.Until)))
	}
	return &c
}

// ceiling returns the first time that a row can hold from t on.
func ceiling(t time.Time) Timestamp {
	at := recordable(t)
	if at.Before(t) {
		at.Time = at.Add(delivery.Resolution)
	}
	return at
}

// escapeLike returns text so that a pattern with the escape character ! finds
// it as it is. What no column holds is replaced as it was when it was written.
func escapeLike(text string) string {
	return strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`).Replace(storableText(text))
}

// logCursor returns the cursor of the page that follows row: when it began, in
// microseconds, and its id.
func logCursor(row candidateRow) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(row.StartedAt.UnixMicro(), 10) + " " + row.ID))
}

func parseLogCursor(cursor string) (at Timestamp, id string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	micros, id, found := strings.Cut(string(text), " ")
	n, notANumber := strconv.ParseInt(micros, 10, 64)
	at = Timestamp{time.UnixMicro(n).UTC()}
	if err != nil || !found || notANumber != nil || at.Year() < 1 || at.Year() > 9999 || !strings.HasPrefix(id, "att_") || storableText(id) != id {
		return at, "", fault.InvalidFields(fault.Field{Pointer: "cursor", Detail: "This cursor is not one that a list has returned."})
	}
	return at, id, nil
}

// GetDelivery implements store.Log.
func (s *Store) GetDelivery(ctx context.Context, organizationID, webhookID, deliveryID string, attempts int,
) (store.LoggedDelivery, []store.LoggedAttempt, error) {
	op := "get delivery " + deliveryID
	list, _, err := s.ListDeliveries(ctx, organizationID, webhookID, store.DeliveryFilter{DeliveryID: deliveryID}, store.Page{Limit: 1})
	if err != nil {
		return store.LoggedDelivery{}, nil, err
	}
	if len(list) == 0 {
		return store.LoggedDelivery{}, nil, deliveryNotFound()
	}
	const last = `SELECT ` + AttemptColumns + ` FROM attempts WHERE delivery_id = ? AND webhook_id || '' = ?
		ORDER BY ended_at DESC, id DESC LIMIT ?`
	var rows []AttemptRow
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(last), deliveryID, webhookID, max(attempts, 1)); err != nil {
		return store.LoggedDelivery{}, nil, s.Explain(ctx, op, err)
	}
	logged := make([]store.LoggedAttempt, 0, len(rows))
	for _, row := range rows {
		a, err := row.logged()
		if err != nil {
			return store.LoggedDelivery{}, nil, err
		}
		logged = append(logged, a)
	}
	return list[0], logged, nil
}
