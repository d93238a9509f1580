package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
)

// sealedColumn is a column that holds sealed texts, or NULL.
type sealedColumn struct {
	table, id, column string
	place             func(id string) []byte // what a text is bound to
}

// sealedColumns returns all of them. A new one is a line here; a test finds one
// that was forgotten.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"webhooks", "id", "secret", func(id string) []byte { return []byte(id) }},
		{"webhooks", "id", "headers", headersPlace},
		{"zapier_keys", "organization_id", "sealed", zapierPlace},
		{"idempotency_keys", "key", "body", answerPlace},
	}
}

// MissingKeys implements store.Sealed. It looks at every sealed text, since
// nothing else tells what a restored or shared database holds.
func (s *Store) MissingKeys(ctx context.Context) ([]string, error) {
	const op = "look for missing keys"
	known := s.Box.KeyIDs()
	have := len(known)
	for _, c := range sealedColumns() {
		for {
			id, found, err := s.otherKey(ctx, c, known)
			if err != nil {
				return nil, s.Explain(ctx, op, err)
			}
			if !found {
				break
			}
			known = append(known, id)
		}
	}
	return known[have:], nil
}

// otherKey returns the id of a key that none of the known ones is, and that
// sealed something in the column.
func (s *Store) otherKey(ctx context.Context, c sealedColumn, known []string) (id string, found bool, err error) {
	query := `SELECT substr(` + c.column + `, 1, ?) FROM ` + c.table + ` WHERE ` + c.column + ` IS NOT NULL` +
		strings.Repeat(` AND substr(`+c.column+`, 1, ?) <> ?`, len(known))
	args := []any{secretbox.MaxHeader}
	for _, id := range known {
		header := secretbox.Header(id)
		args = append(args, len(header), header)
	}
	var headers [][]byte
	if err := s.Writer.SelectContext(ctx, &headers, s.Writer.Rebind(query+` LIMIT 1`), args...); err != nil {
		return "", false, fmt.Errorf("select from %s: %w", c.table, err)
	}
	if len(headers) == 0 {
		return "", false, nil
	}
	if id, err = secretbox.KeyID(headers[0]); err != nil {
		return "", false, fmt.Errorf("%s.%s: %w", c.table, c.column, err)
	}
	return id, true, nil
}

// Reseal implements store.Sealed. A cursor is the column's number and the last
// id looked at.
func (s *Store) Reseal(ctx context.Context, after string, limit int) (store.Resealed, error) {
	const op = "seal anew"
	columns := sealedColumns()
	number, from, err := parseResealCursor(after, len(columns))
	if err != nil {
		return store.Resealed{}, err
	}
	if number == len(columns) {
		return store.Resealed{}, nil
	}
	var done store.Resealed
	err = s.Transact(ctx, op, func(tx *sqlx.Tx) error {
		done = store.Resealed{Next: strconv.Itoa(number+1) + ":"}
		rows, err := s.underOtherKeys(ctx, tx, columns[number], from, max(limit, 1))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := s.resealRow(ctx, tx, columns[number], row, &done); err != nil {
				return err
			}
		}
		if len(rows) == max(limit, 1) {
			done.Next = strconv.Itoa(number) + ":" + rows[len(rows)-1].ID
		}
		return nil
	})
	if done.Next == strconv.Itoa(len(columns))+":" {
		done.Next = ""
	}
	return done, err
}

func parseResealCursor(cursor string, columns int) (number int, id string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	text, id, found := strings.Cut(cursor, ":")
	number, err = strconv.Atoi(text)
	if err != nil || !found || number < 0 || number > columns {
		return 0, "", fmt.Errorf("seal anew: %q is no place to go on", cursor)
	}
	return number, id, nil
}

type sealedRow struct {
	ID     string `db:"id"`
	Sealed []byte `db:"sealed"`
}

func (s *Store) underOtherKeys(ctx context.Context, tx *sqlx.Tx, c sealedColumn, from string, limit int) ([]sealedRow, error) {
	query := `SELECT ` + c.id + ` AS id, ` + c.column + ` AS sealed FROM ` + c.table +
		` WHERE ` + c.id + ` > ? AND ` + c.column + ` IS NOT NULL AND substr(` + c.column + `, 1, ?) <> ? ORDER BY ` + c.id + ` LIMIT ?`
	header := secretbox.Header(s.Box.KeyIDs()[0])
	var rows []sealedRow
	if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), from, len(header), header, limit); err != nil {
		return nil, fmt.Errorf("select from %s: %w", c.table, err)
	}
	return rows, nil
}

// resealRow seals one text anew, unless somebody has written another meanwhile.
func (s *Store) resealRow(ctx context.Context, tx *sqlx.Tx, c sealedColumn, row sealedRow, done *store.Resealed) error {
	plain, err := s.Box.Open(row.Sealed, c.place(row.ID))
	if err != nil {
		done.Lost++
		if unknown, is := errors.AsType[*secretbox.UnknownKeyError](err); is && !slices.Contains(done.Keys, unknown.KeyID) {
			done.Keys = append(done.Keys, unknown.KeyID)
		}
		return nil // what cannot be opened now may be with another key
	}
	sealed, err := s.Box.Seal(plain, c.place(row.ID))
	if err != nil {
		return fmt.Errorf("seal %s of %s: %w", c.column, row.ID, err)
	}
	update := `UPDATE ` + c.table + ` SET ` + c.column + ` = ? WHERE ` + c.id + ` = ? AND ` + c.column + ` = ?`
	result, err := tx.ExecContext(ctx, tx.Rebind(update), sealed, row.ID, row.Sealed)
	if err != nil {
		return fmt.Errorf("update %s: %w", c.table, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("update %s: %w", c.table, err)
	}
	done.Done += int(n)
	return nil
}
