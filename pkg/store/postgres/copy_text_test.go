package postgres

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// Rows go into the log, or are refused, as they would if the driver wrote their
// values; and what is read is what was written.
func TestRowsAreCopiedAsTheDriverWould(t *testing.T) {
	t.Parallel()
	conn := logOf(t)
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.OneOf(
			rapid.SliceOfN(rapid.Custom(storableRow), 1, 30),
			rapid.SliceOfN(rapid.Custom(distantRow), 1, 3),
			rapid.SliceOfN(rapid.Custom(hostileRow), 1, 3),
		).Draw(rt, "rows")
		for i := range rows {
			rows[i].ID = strconv.Itoa(100+i) + rows[i].ID // one of each, in order
		}
		sameAsTheDriver(rt, conn, rows)
	})
}

// Pieces end between rows, wherever that is, and a row may be longer than one.
func TestRowsOfAllLengthsAreCopied(t *testing.T) {
	t.Parallel()
	conn := logOf(t)
	for _, length := range []int{0, 1, copyPiece - 300, copyPiece, 63 << 10, 200 << 10} {
		rows := make([]sqlstore.AttemptRow, 40)
		for i := range rows {
			rows[i] = sqlstore.AttemptRow{
				ID: strconv.Itoa(100 + i), StartedAt: moment(0), EndedAt: moment(1), ResponseHeader: "null", ResponseBody: []byte{},
				Message: strings.Repeat("\t", length+i*i), RequestBody: []byte(strings.Repeat("\\", length/(i+1))),
			}
		}
		sameAsTheDriver(t, conn, rows)
	}
}

type failer interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// sameAsTheDriver writes rows both ways, each in a transaction that is rolled
// back, and compares.
func sameAsTheDriver(t failer, conn *sqlx.Conn, rows []sqlstore.AttemptRow) {
	t.Helper()
	want, _, wantErr := written(t, conn, rows, copyByDriver)
	got, read, err := written(t, conn, rows, copyRows)
	if code(err) != code(wantErr) {
		t.Fatalf("error %v, want %v", err, wantErr)
	}
	if err != nil {
		return
	}
	if len(got) != len(rows) || len(want) != len(rows) {
		t.Fatalf("%d and %d rows of %d", len(got), len(want), len(rows))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("row %d is\n%s, want\n%s", i, got[i], want[i])
		}
		if regular(rows[i]) && !reflect.DeepEqual(inUTC(read[i]), inUTC(rows[i])) {
			t.Fatalf("row %d is read as\n%+v, want\n%+v", i, read[i], rows[i])
		}
	}
}

// copyByDriver is copyRows with the driver's own encoding.
func copyByDriver(_ context.Context, stmt driver.Stmt, rows []sqlstore.AttemptRow) error {
	for i := range rows {
		var values []driver.Value
		for _, param := range dialect().Params(nil, &rows[i]) {
			value, err := driver.DefaultParameterConverter.ConvertValue(param)
			if err != nil {
				return err
			}
			values = append(values, value)
		}
		if _, err := stmt.Exec(values); err != nil { //nolint:staticcheck // the driver's COPY has no other
			return err
		}
	}
	_, err := stmt.Exec(nil) //nolint:staticcheck // as above
	return err
}

type writer func(context.Context, driver.Stmt, []sqlstore.AttemptRow) error

// written returns the log with rows in it: as Postgres prints it, and as it is
// read.
func written(t failer, conn *sqlx.Conn, rows []sqlstore.AttemptRow, write writer) (printed []string, read []sqlstore.AttemptRow, failure error) {
	t.Helper()
	tx, err := conn.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	err = conn.Raw(func(driverConn any) error {
		stmt, err := driverConn.(driver.ConnPrepareContext).PrepareContext(t.Context(), copyStatement) //nolint:forcetypeassert // a test may panic
		if err != nil {
			return err
		}
		failure = errors.Join(write(t.Context(), stmt, rows), stmt.Close())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if failure != nil {
		return nil, nil, failure
	}
	if err := tx.SelectContext(t.Context(), &printed, `SELECT a::text FROM attempts a ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	if err := tx.SelectContext(t.Context(), &read, `SELECT `+sqlstore.AttemptColumns+` FROM attempts ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	return printed, read, nil
}

func logOf(t *testing.T) *sqlx.Conn {
	t.Helper()
	s, err := Open(t.Context(), pgtest.Schema(t), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Writer.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// code returns the server's error code, "" for none.
func code(err error) string {
	if server, ok := errors.AsType[*pq.Error](err); ok {
		return string(server.Code)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// regular reports whether a row is read as it was written: its times are in the
// years that the driver reads, and whole microseconds.
func regular(row sqlstore.AttemptRow) bool {
	for _, at := range []sqlstore.Timestamp{row.StartedAt, row.EndedAt, row.NextAt} {
		if year := at.UTC().Year(); year < 1 || year > 9999 || at.Nanosecond()%1000 != 0 {
			return false
		}
	}
	return true
}

func inUTC(row sqlstore.AttemptRow) sqlstore.AttemptRow {
	for _, at := range []*sqlstore.Timestamp{&row.StartedAt, &row.EndedAt, &row.NextAt} {
		at.Time = at.UTC()
	}
	return row
}

func moment(n int) sqlstore.Timestamp {
	return sqlstore.Timestamp{Time: time.UnixMicro(1_772_449_200_000_000 + int64(n)).UTC()}
}

// storableRow has texts and times that are in the log.
func storableRow(t *rapid.T) sqlstore.AttemptRow {
	letters := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 }))
	escapes := rapid.StringMatching("[\\\\\t\n\r.Nntrx0-7\v\b]*")
	return row(t, rapid.OneOf(letters, escapes), rapid.Custom(commonTime))
}

// hostileRow has texts that the database may refuse.
func hostileRow(t *rapid.T) sqlstore.AttemptRow {
	bytes := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes")) })
	return row(t, rapid.OneOf(rapid.SampledFrom([]string{`\.`, `\N`, `\`, ""}), bytes), rapid.Custom(commonTime))
}

// distantRow has times that are written in another way, or refused.
func distantRow(t *rapid.T) sqlstore.AttemptRow {
	at := rapid.Custom(func(t *rapid.T) sqlstore.Timestamp {
		year := rapid.SampledFrom([]int{-4713, -4712, -5, -1, 0, 1, 2, 99, 9998, 9999, 10_000, 10_001, 294_276, 294_277}).Draw(t, "year")
		nanoseconds := rapid.IntRange(0, math.MaxInt32).Draw(t, "nanoseconds")
		return sqlstore.Timestamp{Time: time.Date(year, 12, 31, 23, 59, 58, nanoseconds, time.UTC)}
	})
	return row(t, rapid.Just("text"), at)
}

func commonTime(t *rapid.T) sqlstore.Timestamp {
	first, last := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC).UnixMicro()
	zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes")) // with seconds, the driver writes another instant
	return sqlstore.Timestamp{Time: time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "microseconds")).In(zone)}
}

func row(t *rapid.T, text *rapid.Generator[string], at *rapid.Generator[sqlstore.Timestamp]) sqlstore.AttemptRow {
	bytes := rapid.SliceOf(rapid.Byte())
	draw := func() string { return text.Draw(t, "text") }
	header, err := json.Marshal(rapid.MapOfN(text, rapid.SliceOfN(text, 0, 3), 0, 3).Draw(t, "header"))
	if err != nil {
		t.Fatal(err)
	}
	r := sqlstore.AttemptRow{
		ID: draw(), DeliveryID: draw(), WebhookID: draw(), OrganizationID: draw(), EventID: draw(), EventType: draw(),
		EventSequence: rapid.Int64().Draw(t, "sequence"), Number: int(rapid.Int32().Draw(t, "number")), Test: rapid.Bool().Draw(t, "test"),
		URL: draw(), StartedAt: at.Draw(t, "started"), EndedAt: at.Draw(t, "ended"), Result: draw(), Reason: draw(), Message: draw(),
		StatusCode: int(rapid.Int32().Draw(t, "status")), RetryAfter: rapid.Int64().Draw(t, "retry"),
		ResponseHeader: sqlstore.JSON(header), ResponseBody: append([]byte{}, bytes.Draw(t, "body")...),
		ResponseTruncated: rapid.Bool().Draw(t, "truncated"), RemoteAddr: draw(), Resolve: rapid.Int64().Draw(t, "resolve"),
		Connect: rapid.Int64().Draw(t, "connect"), TLS: rapid.Int64().Draw(t, "tls"), FirstByte: rapid.Int64().Draw(t, "first byte"),
		Total: rapid.Int64().Draw(t, "total"), Status: draw(),
	}
	if rapid.Bool().Draw(t, "has next") {
		r.NextAt = at.Draw(t, "next")
	}
	if rapid.Bool().Draw(t, "has request") {
		r.RequestBody = append([]byte{}, bytes.Draw(t, "request")...)
	}
	r.HeaderNames = rapid.SampledFrom([]sqlstore.Names{nil, {"X-One"}, {"X-One", "X-\\Two"}}).Draw(t, "names")
	return r
}
