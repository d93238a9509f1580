package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
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

// place returns where the row is in its webhook's log.
func (row candidateRow) place() logPlace { return logPlace{StartedAt: row.StartedAt, ID: row.ID} }

const (
	// mostAtOnce is how many candidates ListDeliveries reads at a time.
	mostAtOnce = 1000

	// mostLooked is the default of Store.MostLooked.
	mostLooked = 10_000

	// stretch is how many rows one statement may pass over that no index keeps
	// apart from those that it looks for.
	stretch = 2000
)

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
	most := cmp.Or(s.MostLooked, mostLooked)
	limit, end := max(page.Limit, 1), "" // end is the cursor of the last one that the page has room for
	var list []store.LoggedDelivery
	for after, looked, step := page.After, 0, min(limit+1, most); ; step = min(2*step, mostAtOnce, most) {
		part, err := s.candidates(ctx, *where, after, step, min(stretch, most))
		if err != nil {
			return nil, "", s.Explain(ctx, op, err)
		}
		known, err := s.summaries(ctx, webhookID, part.rows)
		if err != nil {
			return nil, "", s.Explain(ctx, op, err)
		}
		for _, row := range part.rows {
			switch d := known[row.DeliveryID]; {
			case d.latest != row.ID:
				continue
			case len(list) == limit: // another page follows
				return list, end, nil
			default:
				list, end = append(list, loggedDelivery(webhookID, row, d)), logCursor(row.place())
			}
		}
		if part.next == nil {
			return list, "", nil
		}
		after = logCursor(*part.next)
		if looked += part.looked; looked >= most {
			return list, after, nil
		}
	}
}

// mustHave returns NotFound when the organization does not have the webhook.
func (s *Store) mustHave(ctx context.Context, organizationID, webhookID string) error {
	const one = `SELECT 1 FROM webhooks WHERE organization_id = ? AND id = ?`
	var there int
	return orNotFound(s.LogReader.GetContext(ctx, &there, s.LogReader.Rebind(one), organizationID, webhookID), webhookNotFound())
}

// candidates are some rows of the log that meet the conditions.
type candidates struct {
	rows   []candidateRow
	looked int       // how many rows were looked at, at the most
	next   *logPlace // behind which the next rows are looked for; nil at the end of the log
}

// candidates returns at most limit of the next rows that meet the conditions, the
// newest first. It passes over at most span rows that do not.
func (s *Store) candidates(ctx context.Context, where conditions, after string, limit, span int) (candidates, error) {
	var c candidates
	to, err := s.spanEnd(ctx, where, after, span)
	if err != nil {
		return c, fmt.Errorf("find where to stop: %w", err)
	}
	query, args, err := s.candidatesQuery(where, after, to, limit)
	if err != nil {
		return c, err
	}
	if err := s.LogReader.SelectContext(ctx, &c.rows, s.LogReader.Rebind(query), args...); err != nil {
		return c, fmt.Errorf("select candidates: %w", err)
	}
	c.next, c.looked = to, len(c.rows)
	if len(where.passing) > 0 {
		c.looked = span
	}
	if len(c.rows) == limit {
		last := c.rows[limit-1].place()
		c.next = &last
	}
	return c, nil
}

// spanEnd returns the last of the next span rows that an index leads to, nil when
// there are fewer, or when the index leads only to rows that meet the conditions.
func (s *Store) spanEnd(ctx context.Context, where conditions, after string, span int) (*logPlace, error) {
	if len(where.passing) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to pass over
	}
	query, args, err := s.spanQuery(where, after, span)
	if err != nil {
		return nil, err
	}
	var to logPlace
	err = s.LogReader.GetContext(ctx, &to, s.LogReader.Rebind(query), args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // the log ends before
	}
	return &to, err //nolint:wrapcheck // The caller names the operation.
}

func (s *Store) spanQuery(where conditions, after string, span int) (string, []any, error) {
	where, err := s.behind(where, after)
	return `SELECT started_at, id FROM attempts WHERE ` + strings.Join(where.terms, ` AND `) +
		` ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET ?`, append(where.args, span-1), err
}

func (s *Store) candidatesQuery(where conditions, after string, to *logPlace, limit int) (string, []any, error) {
	where, err := s.behind(where, after)
	if to != nil {
		at := s.Dialect.Param(to.StartedAt)
		where = where.and(`started_at >= ?`, at).and(`(started_at, id) >= (?, ?)`, at, to.ID)
	}
	query := `SELECT id, delivery_id, event_id, event_type, event_sequence, test, status, message, started_at, ended_at, next_at
		FROM attempts WHERE ` + strings.Join(append(where.terms, where.passing...), ` AND `) + ` ORDER BY started_at DESC, id DESC LIMIT ?`
	return query, append(append(where.args, where.passingArgs...), limit), err
}

// behind returns the conditions for the rows behind a cursor, all rows for none.
func (s *Store) behind(where conditions, after string) (conditions, error) {
	if after == "" {
		return where, nil
	}
	at, id, err := parseLogCursor(after)
	where = where.and(`started_at <= ?`, s.Dialect.Param(at)) // a comparison of rows excludes no partitions
	return where.and(`(started_at, id) < (?, ?)`, s.Dialect.Param(at), id), err
}

// conditions collects terms with their arguments. An index leads to the rows that
// meet terms; those that do not meet passing too are passed over.
type conditions struct {
	terms   []string
	args    []any
	passing []string

	passingArgs []any
}

// and returns c with one more.
func (c conditions) and(term string, args ...any) conditions {
	c.terms, c.args = append(slices.Clip(c.terms), term), append(slices.Clip(c.args), args...)
	return c
}

// pass returns c with one more that no index serves.
func (c conditions) pass(term string, args ...any) conditions {
	c.passing, c.passingArgs = append(slices.Clip(c.passing), term), append(slices.Clip(c.passingArgs), args...)
	return c
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
	if f.Message != "" || f.Status != "" && f.Status != delivery.StatusDelivered {
		c = c.and(`status <> '` + string(delivery.StatusDelivered) + `'`)
	}
	if f.Status != "" {
		c = c.pass(`status = ?`, string(f.Status))
	}
	if f.Message != "" {
		c = c.pass(`lower(message) LIKE lower(?) ESCAPE '!'`, `%`+escapeLike(f.Message)+`%`)
	}
	if f.EventType != "" {
		c = c.pass(`event_type = ?`, string(f.EventType))
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

// logCursor returns the cursor of the page that follows a row: when it began, in
// microseconds, and its id.
func logCursor(place logPlace) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(place.StartedAt.UnixMicro(), 10) + " " + place.ID))
}

func parseLogCursor(cursor string) (at Timestamp, id string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	micros, id, found := strings.Cut(string(text), " ")
	n, notANumber := strconv.ParseInt(micros, 10, 64)
	at = Timestamp{time.UnixMicro(n).UTC()}
	if err != nil || !found || notANumber != nil || at.Year() < 1 || at.Year() > 9999 || !strings.HasPrefix(id, "att_") || storableText(id) != id {
		return at, "", invalidCursor()
	}
	return at, id, nil
}

// GetDelivery implements store.Log. A cursor is the end and the id of the last
// attempt of its page.
func (s *Store) GetDelivery(ctx context.Context, organizationID, webhookID, deliveryID string, page store.Page,
) (store.LoggedDelivery, []store.LoggedAttempt, string, error) {
	op, none := "get delivery "+deliveryID, store.LoggedDelivery{}
	list, _, err := s.ListDeliveries(ctx, organizationID, webhookID, store.DeliveryFilter{DeliveryID: deliveryID}, store.Page{Limit: 1})
	if err != nil {
		return none, nil, "", err
	}
	if len(list) == 0 {
		return none, nil, "", deliveryNotFound()
	}
	rows, next, err := s.attemptsOf(ctx, webhookID, deliveryID, page)
	if err != nil {
		return none, nil, "", s.Explain(ctx, op, err)
	}
	logged := make([]store.LoggedAttempt, 0, len(rows))
	for _, row := range rows {
		a, err := row.logged()
		if err != nil {
			return none, nil, "", err
		}
		logged = append(logged, a)
	}
	return list[0], logged, next, nil
}

// attemptsOf returns a page of a delivery's rows, and the cursor of the next one.
func (s *Store) attemptsOf(ctx context.Context, webhookID, deliveryID string, page store.Page) ([]AttemptRow, string, error) {
	c := conditions{}.and(`delivery_id = ?`, deliveryID).and(`webhook_id || '' = ?`, webhookID)
	if page.After != "" {
		at, id, err := parseLogCursor(page.After)
		if err != nil {
			return nil, "", err
		}
		c = c.and(`(ended_at, id) < (?, ?)`, s.Dialect.Param(at), id)
	}
	query := `SELECT ` + AttemptColumns + ` FROM attempts WHERE ` + strings.Join(c.terms, ` AND `) + ` ORDER BY ended_at DESC, id DESC LIMIT ?`
	limit := max(page.Limit, 1)
	var rows []AttemptRow
	if err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(query), append(c.args, limit+1)...); err != nil {
		return nil, "", err //nolint:wrapcheck // The caller names the operation.
	}
	if len(rows) == 0 { // a page that follows another one has some
		return nil, "", invalidCursor()
	}
	n := fitting(rows, limit, func(r AttemptRow) int {
		return len(r.ResponseBody) + len(r.ResponseHeader) + len(r.RequestBody) + len(r.URL) + len(r.Message)
	})
	next := ""
	if last := rows[n-1]; n < len(rows) {
		next = logCursor(logPlace{StartedAt: last.EndedAt, ID: last.ID})
	}
	return rows[:n], next, nil
}
