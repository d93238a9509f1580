package sqlstore

import (
	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/store"
)

// Pool implements store.Pooled: readers and writers together.
func (s *Store) Pool() store.Pool {
	var p store.Pool
	add := func(db *sqlx.DB) {
		stats := db.Stats()
		p.InUse += stats.InUse
		p.Idle += stats.Idle
		p.Limit += stats.MaxOpenConnections
		p.Waits += stats.WaitCount
		p.Waited += stats.WaitDuration
	}
	add(s.Writer)
	if s.Reader != s.Writer {
		add(s.Reader)
	}
	return p
}
