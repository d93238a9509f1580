package sqlstore

import (
	"io/fs"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/store"
)

// CandidatesQuery returns the statement that ListDeliveries reads its rows
// with.
func (s *Store) CandidatesQuery(webhookID string, f store.DeliveryFilter, after string) (string, []any, error) {
	return s.candidatesQuery(*s.conditions(webhookID, f), after, 51)
}

// EntriesQuery returns the statement that ListEntries reads with.
func (s *Store) EntriesQuery(organizationID string, f audit.Filter, after string) (string, []any, error) {
	return s.entriesQuery(organizationID, f, after, 51)
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
