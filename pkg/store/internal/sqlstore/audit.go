package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
)

// auditRow is a row of audit_log.
type auditRow struct {
	ID             string    `db:"id"`
	At             Timestamp `db:"at"`
	OrganizationID string    `db:"organization_id"`
	ActorKind      string    `db:"actor_kind"`
	ActorName      string    `db:"actor_name"`
	ActorKeyID     string    `db:"actor_key_id"`
	ActorVia       string    `db:"actor_via"`
	Action         string    `db:"action"`
	TargetKind     string    `db:"target_kind"`
	TargetID       string    `db:"target_id"`
	WebhookID      string    `db:"webhook_id"`
	Before         JSON      `db:"before"`
	After          JSON      `db:"after"`
}

const auditColumns = `id, at, organization_id, actor_kind, actor_name, actor_key_id, actor_via, action,
	target_kind, target_id, webhook_id, before, after`

func (row auditRow) entry() audit.Entry {
	e := audit.Entry{
		ID: row.ID, At: row.At.Time, OrganizationID: row.OrganizationID,
		Actor:  audit.Actor{Kind: audit.Kind(row.ActorKind), Name: row.ActorName, KeyID: row.ActorKeyID, Via: row.ActorVia},
		Action: audit.Action(row.Action),
		Target: audit.Target{Kind: audit.TargetKind(row.TargetKind), ID: row.TargetID, WebhookID: row.WebhookID},
	}
	if row.Before != "" {
		e.Before = json.RawMessage(row.Before)
	}
	if row.After != "" {
		e.After = json.RawMessage(row.After)
	}
	return e
}

// AddEntry implements store.Audit.
func (s *Store) AddEntry(ctx context.Context, e audit.Entry) error {
	return s.Transact(ctx, "insert audit entry", func(tx *sqlx.Tx) error { return s.addEntries(ctx, tx, e) })
}

// addEntries writes entries in the transaction of the change that they record.
func (s *Store) addEntries(ctx context.Context, tx *sqlx.Tx, entries ...audit.Entry) error {
	const insert = `INSERT INTO audit_log (` + auditColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	for _, e := range entries {
		at := recordable(e.At)
		_, err := tx.ExecContext(ctx, tx.Rebind(insert), s.auditID(at.Time), s.Dialect.Param(at), e.OrganizationID,
			string(e.Actor.Kind), storableText(e.Actor.Name), e.Actor.KeyID, storableText(e.Actor.Via), string(e.Action),
			string(e.Target.Kind), e.Target.ID, e.Target.WebhookID, JSON(e.Before).Param(), JSON(e.After).Param())
		if err != nil {
			return fmt.Errorf("insert audit entry %s: %w", e.Action, err)
		}
	}
	return nil
}

// addEntriesOf writes an entry for each automatic disabling or removal in the
// steps of a fold.
func (s *Store) addEntriesOf(ctx context.Context, tx *sqlx.Tx, steps []delivery.Step) error {
	for _, step := range steps {
		e, due := audit.Transition(audit.Itself(), *step.Before, *step.After, step.Attempt.EndedAt)
		if step.Decision.Action == delivery.Remove {
			e, due = audit.Deleted(audit.Itself(), *step.After, step.Attempt.EndedAt), true
		}
		if !step.Found || !due {
			continue
		}
		if err := s.addEntries(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

const auditPrefix = "aud_"

// auditID returns a new id of an entry. Ids sort by the microsecond, and those
// that this process makes within the same one in the order in which it makes them.
// The rest is random, which keeps replicas' ids apart and does not show how many
// entries others have.
func (s *Store) auditID(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(min(milliseconds(at), ulid.MaxTime())) // fails only above the maximum
	_, _ = rand.Read(id[6:])                              // never fails
	binary.BigEndian.PutUint16(id[6:], uint16(at.UnixMicro()%1000))
	binary.BigEndian.PutUint16(id[8:], s.noted.next(at))
	return auditPrefix + strings.ToLower(id.String())
}

// instants counts what happens at the same instant. Safe for concurrent use.
type instants struct {
	mu   sync.Mutex
	last time.Time
	n    uint16
}

// next returns how often it was called with this time just before.
func (i *instants) next(at time.Time) uint16 {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.n++; !at.Equal(i.last) {
		i.last, i.n = at, 0
	}
	return i.n
}

// milliseconds returns a time as ULIDs have it.
func milliseconds(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) }

// auditBound returns the least id of an entry made in the millisecond of t.
func auditBound(t time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(min(milliseconds(t), ulid.MaxTime())) // fails only above the maximum
	return auditPrefix + strings.ToLower(id.String())
}

// ListEntries implements store.Audit. A cursor is the last id of its page.
func (s *Store) ListEntries(ctx context.Context, organizationID string, filter audit.Filter, page store.Page,
) ([]audit.Entry, string, error) {
	const op = "list audit entries"
	limit := max(page.Limit, 1)
	before, err := parseCursor(page.After, auditPrefix)
	if err != nil {
		return nil, "", err
	}
	to, err := s.auditEnd(ctx, organizationID, filter, before)
	if err != nil {
		return nil, "", s.Explain(ctx, op, err)
	}
	query, args := s.entriesQuery(organizationID, filter, before, to, limit+1)
	var rows []auditRow
	if err := s.LogReader.SelectContext(ctx, &rows, s.LogReader.Rebind(query), args...); err != nil {
		return nil, "", s.Explain(ctx, op, err)
	}
	next := ""
	if to != "" {
		next = idCursor(to)
	}
	n := fitting(rows, limit, func(r auditRow) int { return len(r.Before) + len(r.After) })
	if n < len(rows) { // one more than asked for says that another page follows
		next = idCursor(rows[n-1].ID)
	}
	entries := make([]audit.Entry, 0, n)
	for _, row := range rows[:n] {
		entries = append(entries, row.entry())
	}
	return entries, next, nil
}

// auditEnd returns the last of the next entries that a page is looked for in, ""
// when there are fewer, or when an index has only those of the page.
func (s *Store) auditEnd(ctx context.Context, organizationID string, f audit.Filter, before string) (string, error) {
	if indexed(f) {
		return "", nil
	}
	if !f.Until.IsZero() {
		before = min(before, auditBound(f.Until.Add(time.Millisecond)))
	}
	const end = `SELECT id FROM audit_log WHERE organization_id = ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?`
	var to string
	err := s.LogReader.GetContext(ctx, &to, s.LogReader.Rebind(end), organizationID, before, cmp.Or(s.MostLooked, mostLooked)-1)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return to, err //nolint:wrapcheck // The caller names the operation.
}

// indexed reports whether an index has the entries that pass f and no others.
func indexed(f audit.Filter) bool {
	conditions := 0
	for _, equal := range []string{string(f.Action), f.Actor, f.TargetID, f.WebhookID} {
		if equal != "" {
			conditions++
		}
	}
	return f.ActorKind == "" && conditions <= 1
}

// entriesQuery returns the query of a page of the entries before an id, down to the
// id to. An index has the rows in the order of the page; a time is a condition on
// the ids.
func (s *Store) entriesQuery(organizationID string, f audit.Filter, before, to string, limit int) (string, []any) {
	var c conditions
	c = c.and(`organization_id = ?`, organizationID)
	for _, equal := range []struct{ column, value string }{{"action", string(f.Action)}, {"actor_kind", string(f.ActorKind)}} {
		if equal.value != "" {
			c = c.and(equal.column+` = ?`, equal.value)
		}
	}
	for _, equal := range []struct{ column, value string }{
		{"actor_name", f.Actor}, {"target_id", f.TargetID}, {"webhook_id", f.WebhookID},
	} {
		if equal.value != "" { // as the partial indexes have it
			c = c.and(equal.column+` = ? AND `+equal.column+` <> ''`, storableText(equal.value))
		}
	}
	if !f.Since.IsZero() {
		c = c.and(`id >= ?`, auditBound(f.Since)).and(`at >= ?`, s.Dialect.Param(ceiling(f.Since)))
	}
	if !f.Until.IsZero() {
		before = min(before, auditBound(f.Until.Add(time.Millisecond)))
		c = c.and(`at < ?`, s.Dialect.Param(ceiling(f.Until)))
	}
	if to != "" {
		c = c.and(`id >= ?`, to)
	}
	c = c.and(`id < ?`, before)
	return `SELECT ` + auditColumns + ` FROM audit_log WHERE ` + strings.Join(c.terms, ` AND `) + ` ORDER BY id DESC LIMIT ?`,
		append(c.args, limit)
}

// PruneAudit removes the entries made before.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) error {
	return s.DeleteInSteps(ctx, `DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE id < ? ORDER BY id LIMIT ?)`,
		auditBound(before), PruneStep)
}
