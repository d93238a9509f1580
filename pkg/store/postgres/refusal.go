package postgres

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// away reports whether the server could not be reached, or refuses to work: every
// error but those that a row of ours has caused.
func away(err error) bool {
	if _, ok := errors.AsType[*connectError](err); ok {
		return true
	}
	if server, ok := errors.AsType[*pq.Error](err); ok {
		return !causedByRow(server)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// causedByRow reports whether the server refused a statement because of the values
// in it: then the same statement without that row may succeed, and waiting does not
// help. The list is short and complete, so that an error that is not on it is the
// server's, and what was to be written is kept and written later.
func causedByRow(e *pq.Error) bool {
	switch e.Code.Class() {
	case pqerror.ClassDataException:
		return true
	case pqerror.ClassIntegrityConstraintViolation:
		return !lacksPartition(e)
	}
	return false
}

// lacksPartition reports whether the log has no partition for a row. The server
// gives it the code of a violated check, without the name of a constraint.
func lacksPartition(e *pq.Error) bool {
	return e.Code == pqerror.CheckViolation && e.Constraint == ""
}

// refusesWrites reports whether the server is a standby, or the session is read
// only.
func refusesWrites(err error) bool {
	return pq.As(err, pqerror.ReadOnlySQLTransaction, pqerror.FeatureNotSupported) != nil // the second from BEGIN READ WRITE on a standby
}

// connectError says that no connection could be made, for whatever reason.
type connectError struct{ cause error }

// Error returns the cause's text.
func (e *connectError) Error() string { return "connect: " + e.cause.Error() }

// Unwrap returns the cause.
func (e *connectError) Unwrap() error { return e.cause }

// remedy returns what an operator can do about an error of the server, "" when the
// error itself says enough.
func remedy(err error) string {
	server, ok := errors.AsType[*pq.Error](err)
	if !ok {
		return ""
	}
	if lacksPartition(server) {
		return "put back the partition attempts_default of the table attempts"
	}
	return remedies()[server.Code]
}

func remedies() map[pqerror.Code]string {
	const (
		login = "correct user and password in DIALNOTE_DATABASE_URL, or set the role's password and pg_hba.conf back"
		name  = "correct DIALNOTE_DATABASE_URL, its search_path included, or rename back what was renamed"
		write = "point DIALNOTE_DATABASE_URL at the primary, and reset default_transaction_read_only of role and database"
		stuck = "look in pg_stat_activity and pg_locks for the session that holds the lock, and reset statement_timeout and lock_timeout of role and database"
	)
	return map[pqerror.Code]string{
		pqerror.InvalidPassword:                   login,
		pqerror.InvalidAuthorizationSpecification: login,
		pqerror.InvalidCatalogName:                name,
		pqerror.InvalidSchemaName:                 name,
		pqerror.UndefinedTable:                    name,
		pqerror.InsufficientPrivilege:             "grant the role what the schema's owner may do",
		pqerror.ReadOnlySQLTransaction:            write,
		pqerror.FeatureNotSupported:               write,
		pqerror.LockNotAvailable:                  stuck,
		pqerror.QueryCanceled:                     stuck,
		pqerror.TooManyConnections:                "raise max_connections, or the connection limit of role and database: each replica opens up to 16",
		pqerror.DiskFull:                          "make room on the database's disk",
		pqerror.OutOfMemory:                       "give the database server more memory",
		pqerror.ProgramLimitExceeded:              "read the server's log: when it is out of transaction ids, end old transactions and VACUUM the database it names",
		pqerror.DataCorrupted:                     "restore the database from a backup",
		pqerror.IndexCorrupted:                    "REINDEX the index that is named",
	}
}
