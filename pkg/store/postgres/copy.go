package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

// copyAttempts streams a batch into the log. It speaks with the driver itself:
// database/sql would copy every value twice on its way.
func copyAttempts(ctx context.Context, conn *sqlx.Conn, rows []sqlstore.AttemptRow) error {
	var failure error
	err := conn.Raw(func(driverConn any) error {
		failure = copyOn(ctx, driverConn, rows)
		return nil // given a driver.ErrBadConn, Raw would close the connection, and wait for the transaction that waits for Raw
	})
	return errors.Join(err, failure)
}

const copyStatement = `COPY attempts (` + sqlstore.AttemptColumns + `) FROM STDIN`

func copyOn(ctx context.Context, driverConn any, rows []sqlstore.AttemptRow) error {
	preparer, is := driverConn.(driver.ConnPrepareContext)
	if !is {
		return fmt.Errorf("connection %T cannot copy", driverConn)
	}
	stmt, err := preparer.PrepareContext(ctx, copyStatement)
	if err != nil {
		return err //nolint:wrapcheck // The caller names the operation.
	}
	// The transaction watches ctx already; the driver would start a goroutine for
	// each piece to do the same.
	return errors.Join(copyRows(context.WithoutCancel(ctx), stmt, rows), stmt.Close())
}

// copyPiece is how much of a COPY the driver is handed at a time. It collects
// 63 KiB before it sends them.
const copyPiece = 16 << 10

// copyRows writes rows to a COPY and ends it. They are written as the text that
// goes over the wire: the driver would take each value in an interface, which
// allocates for most of them.
func copyRows(ctx context.Context, stmt driver.Stmt, rows []sqlstore.AttemptRow) error {
	copier, is := stmt.(interface {
		// CopyData sends one or more lines, the last without its end.
		CopyData(ctx context.Context, lines string) (driver.Result, error)
	})
	if !is {
		return fmt.Errorf("statement %T cannot copy", stmt)
	}
	lines := make([]byte, 0, copyPiece+copyPiece/4)
	for i := range rows {
		if len(lines) > 0 {
			lines = append(lines, '\n')
		}
		lines = appendRow(lines, &rows[i])
		if len(lines) < copyPiece && i < len(rows)-1 {
			continue
		}
		if _, err := copier.CopyData(ctx, string(lines)); err != nil {
			return err
		}
		lines = lines[:0]
	}
	_, err := stmt.Exec(nil) //nolint:staticcheck // sends what is left and waits for the answer
	return err               //nolint:wrapcheck // The caller names the operation.
}
