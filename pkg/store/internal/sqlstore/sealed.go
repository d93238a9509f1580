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

// sealedColumns returns all sealed columns. Add a new one here; a test finds one
// that was forgotten.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"webhooks", "id", "secret", func(id string) []byte { return []byte(id) }},
		{"webhooks", "id", "headers", headersPlace},
		{"zapier_keys", "organization_id", "sealed", zapierPlace},
		{"idempotency_keys", "key", "body", answerPlace},
	}
}

// MissingKeys implements store.Sealed. It looks at every sealed text, because a
// restored or shared database may hold texts under any key.
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
// id looked at. It reads and seals before its transaction begins, so that other
// writers do not wait for that; what they write meanwhile stays.
func (s *Store) Reseal(ctx context.Context, after string, limit int) (store.Resealed, error) {
	const op = "reseal"
	columns := sealedColumns()
	number, from, err := parseResealCursor(after, len(columns))
	if err != nil {
		return store.Resealed{}, err
	}
	if number == len(columns) {
		return store.Resealed{}, nil
	}
	c, limit := columns[number], max(limit, 1)
	rows, err := s.underOtherKeys(ctx, c, from, limit)
	if err != nil {
		return store.Resealed{}, s.Explain(ctx, op, err)
	}
	var done store.Resealed
	switch {
	case len(rows) == limit:
		done.Next = strconv.Itoa(number) + ":" + rows[len(rows)-1].ID
	case number+1 < len(columns):
		done.Next = strconv.Itoa(number+1) + ":"
	}
	texts, err := s.resealRows(c, rows, &done)
	if err != nil {
		return store.Resealed{}, err
	}
	err = s.Transact(ctx, op, func(tx *sqlx.Tx) (err error) {
		done.Done, err = replaceTexts(ctx, tx, c, texts)
		return err
	})
	return done, err
}

func parseResealCursor(cursor string, columns int) (number int, id string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	text, id, found := strings.Cut(cursor, ":")
	number, err = strconv.Atoi(text)
	if err != nil || !found || number < 0 || number > columns {
		return 0, "", fmt.Errorf("reseal: %q is no cursor", cursor)
	}
	return number, id, nil
}

type sealedRow struct {
	ID     string `db:"id"`
	Sealed []byte `db:"sealed"`
}

// underOtherKeys returns the first rows after an id whose text is not sealed with
// the primary key.
func (s *Store) underOtherKeys(ctx context.Context, c sealedColumn, from string, limit int) ([]sealedRow, error) {
	query := `SELECT ` + c.id + ` AS id, ` + c.column + ` AS sealed FROM ` + c.table +
		` WHERE ` + c.id + ` > ? AND ` + c.column + ` IS NOT NULL AND substr(` + c.column + `, 1, ?) <> ? ORDER BY ` + c.id + ` LIMIT ?`
	header := secretbox.Header(s.Box.KeyIDs()[0])
	var rows []sealedRow
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(query), from, len(header), header, limit); err != nil {
		return nil, fmt.Errorf("select from %s: %w", c.table, err)
	}
	return rows, nil
}

// resealedText is a text that was read, and the same sealed with the primary key.
type resealedText struct {
	sealedRow

	resealed []byte
}

// resealRows returns the rows' texts under the primary key, without those that
// cannot be opened, which done counts.
func (s *Store) resealRows(c sealedColumn, rows []sealedRow, done *store.Resealed) ([]resealedText, error) {
	texts := make([]resealedText, 0, len(rows))
	for _, row := range rows {
		plain, err := s.Box.Open(row.Sealed, c.place(row.ID))
		if err != nil {
			done.Lost++
			if unknown, is := errors.AsType[*secretbox.UnknownKeyError](err); is && !slices.Contains(done.Keys, unknown.KeyID) {
				done.Keys = append(done.Keys, unknown.KeyID)
			}
			continue // what cannot be opened now may be with another key
		}
		resealed, err := s.Box.Seal(plain, c.place(row.ID))
		if err != nil {
			return nil, fmt.Errorf("seal %s of %s: %w", c.column, row.ID, err)
		}
		texts = append(texts, resealedText{sealedRow: row, resealed: resealed})
	}
	return texts, nil
}

// replaceTexts writes texts in place of those that were read, and returns how
// many it replaced. A text that was changed since stays as it is.
func replaceTexts(ctx context.Context, tx *sqlx.Tx, c sealedColumn, texts []resealedText) (int, error) {
	update := tx.Rebind(`UPDATE ` + c.table + ` SET ` + c.column + ` = ? WHERE ` + c.id + ` = ? AND ` + c.column + ` = ?`)
	replaced := 0
	for _, text := range texts {
		result, err := tx.ExecContext(ctx, update, text.resealed, text.ID, text.Sealed)
		if err != nil {
			return 0, fmt.Errorf("update %s: %w", c.table, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("update %s: %w", c.table, err)
		}
		replaced += int(n)
	}
	return replaced, nil
}
