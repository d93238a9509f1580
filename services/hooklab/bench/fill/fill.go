// Package fill puts very many webhooks into a benchmark's database at once.
package fill

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"

	"github.com/lib/pq"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/signature"
)

// Row is what one webhook has of its own.
type Row struct {
	Organization string
	URL          string
	Event        event.Type
}

// columns are the columns that rows differ in.
func columns() []string { return []string{"id", "organization_id", "url", "event", "secret"} }

// Webhooks inserts n webhooks. All else of them is as of the webhook template,
// which must be there: the table may gain columns without this knowing them.
// random makes the secrets. first is the number of the first id.
func Webhooks(ctx context.Context, db *sql.DB, box secretbox.Box, random io.Reader, template string, first, n int, row func(i int) Row) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `CREATE TEMP TABLE staged (id text, organization_id text, url text, event text, secret bytea) ON COMMIT DROP`); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := stage(ctx, tx, box, random, first, n, row); err != nil {
		return err
	}
	all, err := allColumns(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertion(all), template); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return Settle(ctx, db)
}

// Settle lets the database finish now what it would do later, in the middle of
// a measurement.
func Settle(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{"VACUUM (ANALYZE) webhooks", "CHECKPOINT"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func stage(ctx context.Context, tx *sql.Tx, box secretbox.Box, random io.Reader, first, n int, row func(i int) Row) error {
	in, err := tx.PrepareContext(ctx, `COPY staged (`+strings.Join(columns(), ", ")+`) FROM STDIN`)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	defer func() { _ = in.Close() }() // its work is done by then
	for i := range n {
		id := ID(first + i)
		secret, err := signature.NewSecret(random)
		if err != nil {
			return err
		}
		sealed, err := box.Seal([]byte(secret.Reveal()), []byte(id))
		if err != nil {
			return err
		}
		r := row(i)
		if _, err := in.ExecContext(ctx, id, r.Organization, r.URL, string(r.Event), sealed); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	if _, err := in.ExecContext(ctx); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return nil
}

func allColumns(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT attname FROM pg_attribute
		WHERE attrelid = 'webhooks'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
		ORDER BY attnum`)
	if err != nil {
		return nil, fmt.Errorf("read the columns of webhooks: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read the columns of webhooks: %w", err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the columns of webhooks: %w", err)
	}
	return names, nil
}

// insertion returns the statement that makes webhooks of what is staged, all
// other columns being those of the webhook $1.
func insertion(all []string) string {
	own := make(map[string]bool)
	for _, name := range columns() {
		own[name] = true
	}
	var into, from []string
	for _, name := range all {
		quoted := pq.QuoteIdentifier(name)
		into = append(into, quoted)
		if own[name] {
			from = append(from, "staged."+quoted)
		} else {
			from = append(from, "template."+quoted)
		}
	}
	return `INSERT INTO webhooks (` + strings.Join(into, ", ") + `) SELECT ` + strings.Join(from, ", ") +
		` FROM staged, webhooks template WHERE template.id = $1`
}

// ID returns the nth webhook's id. Ids sort by their number and are long past,
// so that no webhook that the API makes gets one of them.
func ID(n int) string {
	const crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	id := []byte("wh_01" + strings.Repeat("0", 24))
	for at := len(id) - 1; n > 0; at-- {
		id[at] = crockford[n%32]
		n /= 32
	}
	return string(id)
}
