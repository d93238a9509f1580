package bench

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	callers = 64 // of the API at once

	// connections to the database at once, as many as a service has.
	databaseConnections = 16

	listed = 1000 // organizations with eachHas webhooks, to list and to patch
)

func api() Case {
	return Case{
		Name: "api",
		About: "Webhooks created, listed (10 in a list) and patched through the API by 64 callers at once; beside it a bare echo handler " +
			"that reads and answers JSON of the same size, and a bare database round trip: one prepared statement, committed.",
		Limit: 8 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			return b.with(ctx, system.Options{}, func(ctx context.Context, s *system.System) error {
				a := &apiCase{bench: b, system: s}
				if err := a.prepare(ctx); err != nil {
					return err
				}
				defer a.echo.Close()
				return a.all(ctx)
			})
		},
	}
}

// apiCase is the case being carried out.
type apiCase struct {
	*bench

	system *system.System
	echo   *publish.API
	made   int // organizations that webhooks were created for
}

func (a *apiCase) prepare(ctx context.Context) error {
	s := a.system
	address, err := s.Helper(ctx, "echo", "echo")
	if err != nil {
		return err
	}
	a.echo = publish.NewAPI(address, "", callers)
	template, err := s.Webhook(ctx, specimen.Organization(0), s.Sink.HTTP+"/ok/0", event.CallCompleted)
	if err != nil {
		return err
	}
	s.DB.SetMaxOpenConns(databaseConnections)
	s.DB.SetMaxIdleConns(databaseConnections)
	err = fill.Webhooks(ctx, s.DB, s.Box, a.secrets(), template, 0, listed*eachHas, func(i int) fill.Row {
		return fill.Row{Organization: specimen.Organization(1 + i/eachHas), URL: s.Sink.HTTP + "/ok/0", Event: event.CallCompleted}
	})
	if err != nil {
		return err
	}
	a.made = 1 + listed
	_, err = s.DB.ExecContext(ctx, `
		CREATE TABLE bare (id text PRIMARY KEY, organization text NOT NULL, body text NOT NULL);
		CREATE INDEX ON bare (organization, id DESC);
		INSERT INTO bare SELECT 'filled-' || i, 'org-' || i / 10, repeat('x', 600) FROM generate_series(0, 9999) i`)
	if err != nil {
		return fmt.Errorf("make the bare table: %w", err)
	}
	return fill.Settle(ctx, s.DB)
}

// operation is one of the API's, with what it is compared with.
type operation struct {
	name string
	n    int
	call func(i int) publish.Call // of the API
	echo publish.Call
	// statement is the bare round trip; args are its arguments.
	statement string
	args      func(i int) []any
}

func (a *apiCase) all(ctx context.Context) error {
	for _, o := range []operation{a.create(), a.list(), a.patch()} {
		into := report.NewSamples(o.name, a.system.Settings())
		for range a.Runs {
			if err := a.measure(ctx, o, into); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
		}
		a.emit(into)
	}
	return nil
}

// text is a JSON body of about the size of a webhook in a request.
func text(url string, name int) []byte {
	return jsonOf(map[string]string{"name": "Bench " + strconv.Itoa(name), "provider": "custom", "url": url, "event": string(event.CallCompleted)})
}

func (a *apiCase) create() operation {
	const each = 50 // webhooks of an organization, which may have 100
	n, url := a.size(10_000, 200), a.system.Sink.HTTP+"/ok/0"
	return operation{
		name: "create", n: n,
		call: func(i int) publish.Call {
			return publish.Call{
				Method: http.MethodPost, Path: "/v1/organizations/" + specimen.Organization(a.made+i/each) + "/webhooks",
				Body: text(url, i), Want: http.StatusCreated,
			}
		},
		echo:      publish.Call{Method: http.MethodPost, Path: "/one", Body: text(url, 1), Want: http.StatusCreated},
		statement: `INSERT INTO bare (id, organization, body) VALUES ($1, $2, repeat('x', 600))`,
		args: func(i int) []any {
			return []any{fmt.Sprintf("new-%d-%d", a.made, i), "org-" + strconv.Itoa(a.made+i/each)}
		},
	}
}

func (a *apiCase) list() operation {
	return operation{
		name: "list", n: a.size(20_000, 200),
		call: func(i int) publish.Call {
			return publish.Call{Method: http.MethodGet, Path: "/v1/organizations/" + specimen.Organization(1+i%listed) + "/webhooks", Want: http.StatusOK}
		},
		echo:      publish.Call{Method: http.MethodGet, Path: "/ten", Want: http.StatusOK},
		statement: `SELECT id, body FROM bare WHERE organization = $1 ORDER BY id DESC LIMIT 50`,
		args:      func(i int) []any { return []any{"org-" + strconv.Itoa(i%listed)} },
	}
}

func (a *apiCase) patch() operation {
	return operation{
		name: "patch", n: a.size(10_000, 200),
		call: func(i int) publish.Call {
			at := i % (listed * eachHas)
			return publish.Call{
				Method: http.MethodPatch, Path: "/v1/organizations/" + specimen.Organization(1+at/eachHas) + "/webhooks/" + fill.ID(at),
				Body: jsonOf(map[string]string{"name": fmt.Sprintf("Patched %d %d", a.made, i)}), Want: http.StatusOK,
			}
		},
		echo:      publish.Call{Method: http.MethodPost, Path: "/one", Body: text(a.system.Sink.HTTP, 1), Want: http.StatusCreated},
		statement: `UPDATE bare SET body = repeat('y', 600) WHERE id = $1`,
		args:      func(i int) []any { return []any{"filled-" + strconv.Itoa(i%10_000)} },
	}
}

// measure makes one run of an operation and of both that it is compared with.
func (a *apiCase) measure(ctx context.Context, o operation, into *report.Samples) error {
	if err := fill.Settle(ctx, a.system.DB); err != nil {
		return err
	}
	began := time.Now()
	if err := a.echo.Each(ctx, o.n, callers, func(int) publish.Call { return o.echo }); err != nil {
		return err
	}
	echo := stat.Ratio(float64(o.n), time.Since(began).Seconds())
	began = time.Now()
	if err := a.roundTrips(ctx, o); err != nil {
		return err
	}
	database := stat.Ratio(float64(o.n), time.Since(began).Seconds())
	m, err := begin(a.system)
	if err != nil {
		return err
	}
	began = time.Now()
	if err := a.system.API.Each(ctx, o.n, callers, o.call); err != nil {
		return err
	}
	rate := stat.Ratio(float64(o.n), time.Since(began).Seconds())
	if _, err := m.end(a.system, o.n, "call", into); err != nil {
		return err
	}
	a.made += o.n // the next run's creations are for others
	into.Add(report.Rate, "calls/s", rate)
	into.Add("bare echo", "calls/s", echo)
	into.Add("bare database", "round trips/s", database)
	into.Add("of the bare echo", "", stat.Ratio(rate, echo))
	into.Add("of the bare database", "", stat.Ratio(rate, database))
	into.Add("of both, one after the other", "", stat.Ratio(rate, 1/(1/echo+1/database)))
	return nil
}

// roundTrips runs an operation's statement as often as the API is called.
func (a *apiCase) roundTrips(ctx context.Context, o operation) error {
	prepared, err := a.system.DB.PrepareContext(ctx, o.statement)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = prepared.Close() }() // it has been used
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range callers {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < o.n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := roundTrip(ctx, prepared, o.args(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

func roundTrip(ctx context.Context, statement *sql.Stmt, args []any) error {
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("round trip: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return fmt.Errorf("round trip: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("round trip: %w", err)
	}
	return nil
}
