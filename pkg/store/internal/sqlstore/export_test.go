package sqlstore

import (
	"io/fs"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/store"
)

// CandidatesQuery returns the statement that ListDeliveries reads its rows
// with, and the one that finds where it stops, "" for none.
func (s *Store) CandidatesQuery(webhookID string, f store.DeliveryFilter, after string) (query string, args []any, span string, spanArgs []any, err error) {
	where := *s.conditions(webhookID, f)
	if len(where.passing) > 0 {
		if span, spanArgs, err = s.spanQuery(where, after, stretch); err != nil {
			return query, args, span, spanArgs, err
		}
	}
	query, args, err = s.candidatesQuery(where, after, nil, 51)
	return query, args, span, spanArgs, err
}

// EntriesQuery returns the statement that ListEntries reads with.
func (s *Store) EntriesQuery(organizationID string, f audit.Filter, after string) (string, []any, error) {
	before, err := parseCursor(after, auditPrefix)
	query, args := s.entriesQuery(organizationID, f, before, "", 51)
	return query, args, err
}

// Served returns the oldest program that a database serves, by what each of its
// migrations serves.
func Served(serves []int) int {
	done := make([]applied, len(serves))
	for i, n := range serves {
		done[i].Serves = n
	}
	return served(done)
}

// ServesOf returns the oldest program that each of the migrations serves.
func ServesOf(files fs.FS) ([]int, error) {
	migrations, err := readMigrations(files)
	list := make([]int, 0, len(migrations))
	for _, m := range migrations {
		list = append(list, m.serves)
	}
	return list, err
}
