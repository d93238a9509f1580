package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
)

// usageList is how many rows one statement of the account writes.
const usageList = 200

// TakeCounting implements store.Usage. It looks before it writes: on most replicas
// another one counts.
func (s *Store) TakeCounting(ctx context.Context, holder string, now, until time.Time) (bool, error) {
	const op = "take the counting of usage"
	const held = `SELECT count(*) FROM usage_lease WHERE lease_holder <> ? AND lease_until > ?`
	const take = `INSERT INTO usage_lease AS l (id, lease_holder, lease_until) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET lease_holder = excluded.lease_holder, lease_until = excluded.lease_until
		WHERE l.lease_holder = excluded.lease_holder OR l.lease_until <= ?`
	at, end := s.Dialect.Param(recordable(now)), s.Dialect.Param(recordable(until))
	var others int
	if err := s.Reader.GetContext(ctx, &others, s.Reader.Rebind(held), holder, at); err != nil || others > 0 {
		return false, s.Explain(ctx, op, err)
	}
	result, err := s.Writer.ExecContext(ctx, s.Writer.Rebind(take), holder, end, at)
	if err != nil {
		return false, s.Explain(ctx, op, err)
	}
	n, err := result.RowsAffected()
	return n > 0, s.Explain(ctx, op, err)
}

// counts locks the lease for the rest of a transaction and reports whether holder
// has it.
func counts(ctx context.Context, tx *sqlx.Tx, holder string) (bool, error) {
	result, err := tx.ExecContext(ctx, tx.Rebind(`UPDATE usage_lease SET lease_holder = lease_holder WHERE lease_holder = ?`), holder)
	if err != nil {
		return false, fmt.Errorf("lock the lease: %w", err)
	}
	n, err := result.RowsAffected()
	return n > 0, err //nolint:wrapcheck // The caller names the operation.
}

// whileCounting runs do in a transaction, unless holder no longer counts. It reports
// what do does, or false.
func (s *Store) whileCounting(ctx context.Context, op, holder string, do func(*sqlx.Tx) (bool, error)) (done bool, err error) {
	err = s.Transact(ctx, op, func(tx *sqlx.Tx) error {
		done = false
		has, err := counts(ctx, tx, holder)
		if err != nil || !has {
			return err
		}
		done, err = do(tx)
		return err
	})
	return done && err == nil, err
}

// Counted implements store.Usage.
func (s *Store) Counted(ctx context.Context) (store.Account, error) {
	const op = "read the account of usage"
	a := store.Account{Positions: make(map[string]uint64), Bytes: make(map[string]int64)}
	var streams []struct {
		Stream   string `db:"stream"`
		Sequence int64  `db:"sequence"`
	}
	if err := s.Reader.SelectContext(ctx, &streams, `SELECT stream, sequence FROM usage_positions`); err != nil {
		return a, s.Explain(ctx, op, err)
	}
	for _, row := range streams {
		a.Positions[row.Stream] = uint64(row.Sequence) //nolint:gosec // it was one when it was written
	}
	var rows []usageRow
	err := s.Reader.SelectContext(ctx, &rows, `SELECT organization_id, CAST(sum(bytes) AS bigint) AS bytes FROM usage_hours GROUP BY organization_id`)
	for _, row := range rows {
		a.Bytes[row.OrganizationID] = row.Bytes
	}
	return a, s.Explain(ctx, op, err)
}

// usageRow is bytes of an organization.
type usageRow struct {
	OrganizationID string `db:"organization_id"`
	Bytes          int64  `db:"bytes"`
}

// Count implements store.Usage.
func (s *Store) Count(ctx context.Context, holder string, part store.CountedPart) (bool, error) {
	return s.whileCounting(ctx, "count usage", holder, func(tx *sqlx.Tx) (bool, error) {
		moved, err := s.moveCounted(ctx, tx, part)
		if err != nil || !moved {
			return false, err
		}
		if err := s.addUsage(ctx, tx, sumUsage(part.Bytes)); err != nil {
			return false, fmt.Errorf("add to the account: %w", err)
		}
		return true, nil
	})
}

// moveCounted notes up to where a stream is counted. It reports false when it is not
// counted up to where the part begins.
func (s *Store) moveCounted(ctx context.Context, tx *sqlx.Tx, part store.CountedPart) (bool, error) {
	const first = `INSERT INTO usage_positions (stream, sequence, counted_until) VALUES (?, 0, ?) ON CONFLICT DO NOTHING`
	const move = `UPDATE usage_positions SET sequence = ?, counted_until = ? WHERE stream = ? AND sequence = ?`
	until := s.Dialect.Param(recordable(part.Until))
	if part.From == 0 {
		if _, err := tx.ExecContext(ctx, tx.Rebind(first), part.Stream, until); err != nil {
			return false, fmt.Errorf("begin to count %s: %w", part.Stream, err)
		}
	}
	result, err := tx.ExecContext(ctx, tx.Rebind(move), int64(part.To), until, part.Stream, int64(part.From)) //nolint:gosec // a stream's sequence stays below 2^63
	if err != nil {
		return false, fmt.Errorf("note how far %s is counted: %w", part.Stream, err)
	}
	n, err := result.RowsAffected()
	return n > 0, err //nolint:wrapcheck // The caller names the operation.
}

// sumUsage adds up what is of the same organization, stream and hour. It returns
// that in the order of the key.
func sumUsage(bytes []store.CountedBytes) []store.CountedBytes {
	type key struct {
		organization, stream string
		hour                 int64
	}
	sums := make(map[key]int64)
	for _, b := range bytes {
		sums[key{b.OrganizationID, b.Stream, b.Stored.Unix() / 3600}] += b.Bytes
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.organization, b.organization), cmp.Compare(a.stream, b.stream), cmp.Compare(a.hour, b.hour))
	})
	list := make([]store.CountedBytes, 0, len(keys))
	for _, k := range keys {
		list = append(list, store.CountedBytes{OrganizationID: k.organization, Stream: k.stream, Stored: time.Unix(k.hour*3600, 0), Bytes: sums[k]})
	}
	return list
}

// addUsage adds bytes to hours. What was removed from a stream after its hour was
// forgotten is not taken off anything else.
func (s *Store) addUsage(ctx context.Context, tx *sqlx.Tx, sums []store.CountedBytes) error {
	const add = `INSERT INTO usage_hours AS u (organization_id, stream, hour, bytes) VALUES `
	const sum = ` ON CONFLICT (organization_id, stream, hour) DO UPDATE SET bytes = u.bytes + excluded.bytes`
	const takeOff = `UPDATE usage_hours SET bytes = bytes + ? WHERE organization_id = ? AND stream = ? AND hour = ?`
	var more []store.CountedBytes
	for _, b := range sums {
		if b.Bytes >= 0 {
			more = append(more, b)
			continue
		}
		if _, err := tx.ExecContext(ctx, tx.Rebind(takeOff), b.Bytes, b.OrganizationID, b.Stream, s.Dialect.Time(b.Stored)); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	for some := range slices.Chunk(more, usageList) {
		args := make([]any, 0, 4*len(some))
		for _, b := range some {
			args = append(args, b.OrganizationID, b.Stream, s.Dialect.Time(b.Stored), b.Bytes)
		}
		query := add + `(?, ?, ?, ?)` + strings.Repeat(`, (?, ?, ?, ?)`, len(some)-1) + sum
		if _, err := tx.ExecContext(ctx, tx.Rebind(query), args...); err != nil {
			return err //nolint:wrapcheck // The caller names the operation.
		}
	}
	return nil
}

// ForgetUsage implements store.Usage.
func (s *Store) ForgetUsage(ctx context.Context, holder, stream string, before time.Time) (map[string]int64, bool, error) {
	const forget = `DELETE FROM usage_hours WHERE stream = ? AND hour < ? RETURNING organization_id, bytes`
	var rows []usageRow
	done, err := s.whileCounting(ctx, "forget the usage of "+stream, holder, func(tx *sqlx.Tx) (bool, error) {
		rows = nil
		err := tx.SelectContext(ctx, &rows, tx.Rebind(forget), stream, s.Dialect.Time(before.Truncate(time.Hour)))
		return true, err //nolint:wrapcheck // Transact names the operation.
	})
	freed := make(map[string]int64)
	for _, row := range rows {
		freed[row.OrganizationID] += row.Bytes
	}
	return freed, done, err
}

// OrganizationUsage implements store.Usage.
func (s *Store) OrganizationUsage(ctx context.Context, organizationID string) (quota.Usage, error) {
	const op = "read the usage of an organization"
	const hours = `SELECT hour, CAST(sum(bytes) AS bigint) AS bytes FROM usage_hours WHERE organization_id = ? GROUP BY hour ORDER BY hour`
	const until = `SELECT min(counted_until) FROM usage_positions`
	var rows []struct {
		Hour  Timestamp `db:"hour"`
		Bytes int64     `db:"bytes"`
	}
	var counted Timestamp // before the hours: what is counted meanwhile counts twice, and not never
	if err := s.Reader.GetContext(ctx, &counted, until); err != nil {
		return quota.Usage{}, s.Explain(ctx, op, err)
	}
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(hours), organizationID); err != nil {
		return quota.Usage{}, s.Explain(ctx, op, err)
	}
	u := quota.Usage{Until: counted.Time}
	for _, row := range rows {
		u.Hours = append(u.Hours, quota.Hour{Start: row.Hour.Time, Bytes: row.Bytes})
	}
	return u, nil
}

// WaitingOver implements store.Usage.
func (s *Store) WaitingOver(ctx context.Context, deliveries int64) (map[string]int64, error) {
	const count = `SELECT w.organization_id, sum(n.n) AS bytes FROM
		(SELECT webhook_id, count(*) AS n FROM waiting GROUP BY webhook_id) n JOIN webhooks w ON w.id = n.webhook_id
		GROUP BY w.organization_id HAVING sum(n.n) >= ?`
	var rows []usageRow
	if err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(count), deliveries); err != nil {
		return nil, s.Explain(ctx, "count what waits for each organization", err)
	}
	over := make(map[string]int64, len(rows))
	for _, row := range rows {
		over[row.OrganizationID] = row.Bytes
	}
	return over, nil
}

// NoteOver implements store.Usage.
func (s *Store) NoteOver(ctx context.Context, holder string, name quota.Name, over map[string]int64) (bool, error) {
	const insert = `INSERT INTO usage_over (organization_id, quota, bytes) VALUES `
	return s.whileCounting(ctx, "note who has reached a quota", holder, func(tx *sqlx.Tx) (bool, error) {
		if _, err := tx.ExecContext(ctx, tx.Rebind(`DELETE FROM usage_over WHERE quota = ?`), string(name)); err != nil {
			return false, err //nolint:wrapcheck // Transact names the operation.
		}
		for some := range slices.Chunk(slices.Sorted(maps.Keys(over)), usageList) {
			args := make([]any, 0, 3*len(some))
			for _, id := range some {
				args = append(args, id, string(name), over[id])
			}
			query := insert + `(?, ?, ?)` + strings.Repeat(`, (?, ?, ?)`, len(some)-1)
			if _, err := tx.ExecContext(ctx, tx.Rebind(query), args...); err != nil {
				return false, err //nolint:wrapcheck // Transact names the operation.
			}
		}
		return true, nil
	})
}

// Over implements store.Usage.
func (s *Store) Over(ctx context.Context) ([]store.OverQuota, error) {
	var rows []struct {
		OrganizationID string `db:"organization_id"`
		Quota          string `db:"quota"`
		Bytes          int64  `db:"bytes"`
	}
	if err := s.Reader.SelectContext(ctx, &rows, `SELECT organization_id, quota, bytes FROM usage_over ORDER BY organization_id, quota`); err != nil {
		return nil, s.Explain(ctx, "list who has reached a quota", err)
	}
	list := make([]store.OverQuota, 0, len(rows))
	for _, row := range rows {
		list = append(list, store.OverQuota{OrganizationID: row.OrganizationID, Quota: quota.Name(row.Quota), Bytes: row.Bytes})
	}
	return list, nil
}
