package sqlstore

import (
	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/store"
)

// Pool implements store.Pooled: all connections together.
func (s *Store) Pool() store.Pool {
	var p store.Pool
	for _, db := range s.pools() {
		stats := db.Stats()
		p.InUse += stats.InUse
		p.Idle += stats.Idle
		p.Limit += stats.MaxOpenConnections
		p.Waits += stats.WaitCount
		p.Waited += stats.WaitDuration
	}
	return p
}

// pools returns the pools, each once.
func (s *Store) pools() []*sqlx.DB {
	all := []*sqlx.DB{s.Writer, s.LogReader}
	if s.Reader != s.Writer {
		all = append(all, s.Reader)
	}
	return all
}
