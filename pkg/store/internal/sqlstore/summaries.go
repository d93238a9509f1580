package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
)

// isLatest holds for the row of attempts a that says how its delivery stands:
// the one that ended last. The beginning would not do: a delivery can be sent
// by another replica before the one that put it into its lane has recorded
// that it waits there. The limit keeps Postgres from joining the whole log
// instead of looking at the few rows of each delivery.
const isLatest = `NOT EXISTS (SELECT 1 FROM attempts b
	WHERE b.delivery_id = a.delivery_id AND (b.ended_at, b.id) > (a.ended_at, a.id) LIMIT 1 OFFSET 0)`

// summary is what the log knows of a delivery as a whole.
type summary struct {
	latest string // the id of the row that ended last
	made   int
	first  time.Time
	last   summaryRow // of the requests
}

// summaryRow is the latest row of a delivery, the last of its requests, or
// both.
type summaryRow struct {
	ID           string    `db:"id"`
	DeliveryID   string    `db:"delivery_id"`
	Place        int       `db:"place"`         // 1 for the latest row
	RequestPlace int       `db:"request_place"` // 1 for the last request, when one was made
	Made         int       `db:"made"`
	FirstAt      Timestamp `db:"first_at"`
	StartedAt    Timestamp `db:"started_at"`
	EndedAt      Timestamp `db:"ended_at"`
	Reason       string    `db:"reason"`
	StatusCode   int       `db:"status_code"`
}

// summaries returns what the log knows of the deliveries of these rows. Their
// latest row is that of isLatest.
func (s *Store) summaries(ctx context.Context, webhookID string, rows []candidateRow) (map[string]summary, error) {
	const both = `SELECT id, delivery_id, place, request_place, made, first_at, started_at, ended_at, reason, status_code FROM (
			SELECT id, delivery_id, started_at, ended_at, reason, status_code,
				row_number() OVER (PARTITION BY delivery_id ORDER BY ended_at DESC, id DESC) AS place,
				row_number() OVER (PARTITION BY delivery_id ORDER BY number = 0, ended_at DESC, id DESC) AS request_place,
				count(nullif(number, 0)) OVER (PARTITION BY delivery_id) AS made,
				min(CASE WHEN number > 0 THEN started_at END) OVER (PARTITION BY delivery_id) AS first_at
			FROM attempts WHERE delivery_id IN (?) AND webhook_id || '' = ?
		) placed WHERE place = 1 OR request_place = 1`
	ids := make(map[string]bool, len(rows))
	for _, row := range rows {
		ids[row.DeliveryID] = true
	}
	found := make(map[string]summary, len(ids))
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(ids)), maxList) {
		query, args, err := sqlx.In(both, chunk, webhookID)
		if err != nil {
			return nil, fmt.Errorf("list deliveries: %w", err)
		}
		var rows []summaryRow
		if err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(query), args...); err != nil {
			return nil, fmt.Errorf("select summaries: %w", err)
		}
		for _, row := range rows {
			d := found[row.DeliveryID]
			if row.Place == 1 {
				d.latest = row.ID
			}
			if row.RequestPlace == 1 && row.Made > 0 {
				d.made, d.first, d.last = row.Made, row.FirstAt.Time, row
			}
			found[row.DeliveryID] = d
		}
	}
	return found, nil
}

func loggedDelivery(webhookID string, row candidateRow, d summary) store.LoggedDelivery {
	return store.LoggedDelivery{
		ID: row.DeliveryID, WebhookID: webhookID, EventID: row.EventID, EventType: event.Type(row.EventType),
		EventSequence: uint64(row.EventSequence), //nolint:gosec // It was checked when it was written.
		Test:          row.Test, Status: delivery.Status(row.Status), Message: row.Message,
		NextAt: row.NextAt.Time, UpdatedAt: row.EndedAt.Time,
		Attempts: d.made, FirstAttemptAt: d.first, LastAttemptAt: d.last.StartedAt.Time,
		Reason: delivery.Reason(d.last.Reason), StatusCode: d.last.StatusCode, Duration: d.last.EndedAt.Sub(d.last.StartedAt.Time),
	}
}
