package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

// examineDatabase looks at the database, its schema, its clock, and what is
// encrypted in it.
func (e *examination) examineDatabase(ctx context.Context) {
	db, err := storeurl.Attach(ctx, e.settings.DatabaseURL, e.box)
	if err != nil {
		e.report(Finding{Fail, "database", "not reached: " + operatorText(err), "Is it running, is DIALNOTE_DATABASE_URL right, and does the network let this machine through?"})
		return
	}
	defer db.Close() //nolint:errcheck // it was only read
	engine, err := db.Engine(ctx)
	if err != nil {
		e.report(Finding{Fail, "database", operatorText(err), "Look into the database's log."})
		return
	}
	e.report(judgeEngine(engine))
	asked := time.Now()
	there, err := db.Clock(ctx)
	trip := time.Since(asked)
	if err == nil {
		e.report(judgeClock("the database's clock", there.Sub(asked.Add(trip/2)), trip))
	}
	schema, err := db.Schema(ctx)
	if err != nil {
		e.report(Finding{Fail, "database", operatorText(err), "Run the version of the program that has migrated this database, or restore the database."})
		return
	}
	e.report(judgeSchema(schema))
	if len(schema.Pending) > 0 || schema.Check() != nil {
		return // the other checks need the tables of this version
	}
	wrote := tryWrite(ctx, db)
	e.report(judgeWrite(wrote))
	if wrote == nil {
		e.installation, _ = db.Installation(ctx) // "" is not compared
	}
	e.report(e.examineKeys(ctx, db))
}

// judgeEngine judges a database by its name and version.
func judgeEngine(engine string) Finding {
	const oldest = 14
	var major int
	if n, _ := fmt.Sscanf(engine, "PostgreSQL %d", &major); n == 1 && major < oldest {
		return Finding{Fail, "database", engine, fmt.Sprintf("Upgrade it: version %d is the oldest that is supported.", oldest)}
	}
	if strings.HasPrefix(engine, "SQLite") {
		return Finding{Warn, "database", engine + ": for one machine", "Use Postgres where more than one replica runs."}
	}
	return ok("database", "%s", engine)
}

func judgeSchema(s store.Schema) Finding {
	switch err := s.Check(); {
	case err != nil:
		return Finding{Fail, "database", err.Error(), "Run a later version of this program."}
	case len(s.Pending) > 0:
		return Finding{
			Warn, "database", fmt.Sprintf("the schema is at version %d; this program brings it to %d", s.Database, s.Program),
			`The service does it when it starts; or run "config-api migrate".`,
		}
	case s.Database > s.Program:
		return Finding{
			Warn, "database", fmt.Sprintf("the schema is at version %d, of a later version of this program, and serves this one (%d)", s.Database, s.Program),
			"Finish the upgrade or the downgrade when you can.",
		}
	default:
		return ok("database", "the schema is at version %d, this program's", s.Database)
	}
}

// tryWrite writes and removes a row that no service reads.
func tryWrite(ctx context.Context, db store.Store) error {
	key := "doctor " + rand.Text()
	if _, err := db.Begin(ctx, key, []byte("doctor"), time.Now(), time.Minute); err != nil {
		return err
	}
	return db.Abandon(ctx, key)
}

func judgeWrite(err error) Finding {
	if err != nil {
		return Finding{Fail, "database", "it can be read and not written: " + operatorText(err), "Is it a standby, is its disk full, and may the user write?"}
	}
	return ok("database", "it can be written")
}

// examineKeys looks whether what is encrypted can be read.
func (e *examination) examineKeys(ctx context.Context, db store.Store) Finding {
	missing, err := db.MissingKeys(ctx)
	switch {
	case err != nil:
		return Finding{Fail, "keys", operatorText(err), "Look into the database's log."}
	case len(missing) > 0:
		return Finding{
			Fail, "keys", "DIALNOTE_ENCRYPTION_KEYS lacks " + strings.Join(missing, ", ") + ", with which a part of what is stored was encrypted",
			`Put it back behind the first one; when "config-api reencrypt" has run, it is no longer needed.`,
		}
	}
	// A key of the right name with the wrong bytes shows when a webhook is read.
	const most = 20
	organizations, err := db.Organizations(ctx, "", most)
	for _, organization := range organizations {
		if err == nil {
			_, err = db.All(ctx, organization)
		}
	}
	if err != nil {
		return Finding{Fail, "keys", "what is stored cannot be read: " + operatorText(err), "Is each of DIALNOTE_ENCRYPTION_KEYS the key of that name that was used here?"}
	}
	return ok("keys", "everything stored was encrypted with the keys %s", strings.Join(e.box.KeyIDs(), ", "))
}

// judgeClock judges how far a clock is ahead of this machine's, as measured by a
// request that took so long. Leases and holds compare times of different machines;
// some hundred milliseconds do no harm.
func judgeClock(whose string, ahead, trip time.Duration) Finding {
	const (
		noticed = time.Second      // holds and retries begin and end too early or late by as much
		harmful = 10 * time.Second // a recovery's lease, and the first retry's pause
	)
	says := fmt.Sprintf("%s is %s ahead of this machine's", whose, ahead.Round(time.Millisecond))
	if ahead < 0 {
		says = fmt.Sprintf("%s is %s behind this machine's", whose, (-ahead).Round(time.Millisecond))
	}
	off := max(0, ahead.Abs()-trip/2)
	const do = "Have both machines keep their time by NTP."
	switch {
	case off >= harmful:
		return Finding{Fail, "clock", says, do}
	case off >= noticed:
		return Finding{Warn, "clock", says, do}
	default:
		return ok("clock", "%s agrees with this machine's, to %s", whose, max(trip/2, ahead.Abs()).Round(time.Millisecond))
	}
}

// operatorText returns an error's text with its cause, which only operators see.
func operatorText(err error) string {
	if f := fault.Of(err); f.Cause != nil && f.Kind == fault.Unavailable {
		return f.Cause.Error()
	}
	return err.Error()
}
