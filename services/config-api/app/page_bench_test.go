package app_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/sqlite"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// BenchmarkPage asks for the pages of an organization with 100 webhooks and a
// log of a million attempts, of seven days or all of the last one. It takes
// minutes to fill the databases: make bench-page.
func BenchmarkPage(b *testing.B) {
	for name, span := range map[string]time.Duration{"of a week": 7 * 24 * time.Hour, "of a day": 23 * time.Hour} {
		b.Run("postgres/a million "+name, func(b *testing.B) { benchmarkPage(b, benchPostgres(b), span) })
		b.Run("sqlite/a million "+name, func(b *testing.B) { benchmarkPage(b, benchSQLite(b), span) })
	}
}

func benchPostgres(b *testing.B) store.Store {
	b.Helper()
	server, err := pgtest.Start(pgtest.Options{Settings: map[string]string{"max_wal_size": "4GB"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop() })
	s, err := postgres.Open(b.Context(), server.DSN(), storetest.Box(b))
	if err != nil {
		b.Fatal(err)
	}
	for back := range 8 {
		if err := s.EnsurePartitions(b.Context(), time.Now().AddDate(0, 0, -back)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func benchSQLite(b *testing.B) store.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), storetest.Box(b))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// fillPage records a million attempts of a hundred webhooks over a span that
// ends now, and returns one of the webhooks.
func fillPage(b *testing.B, s store.Store, span time.Duration) webhook.Webhook {
	b.Helper()
	const rows, batch = 1_000_000, 5000
	hooks := make([]webhook.Webhook, 100)
	for i := range hooks {
		hooks[i] = storetest.Webhook("acme")
		if err := s.Create(b.Context(), storetest.By(), hooks[i], 100); err != nil {
			b.Fatal(err)
		}
	}
	policy := delivery.DefaultPolicy()
	policy.AutoDisableAfter = 1 << 30
	begin := time.Now().Add(-span)
	dice := rand.New(rand.NewPCG(1, 2)) // no two charts are alike
	attempts := make([]delivery.Attempt, 0, batch)
	for i := range rows {
		a := storetest.Succeeded(hooks[dice.IntN(len(hooks))], begin.Add(time.Duration(i)*(span/rows)), time.Duration(20+i%400)*time.Millisecond)
		a.Outcome.Response = delivery.Response{Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(`{"received":true}`)}
		if dice.IntN(97) == 0 {
			a.Outcome = delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonClientError, StatusCode: 404, Message: "Server answered 404 Not Found"}
		}
		if attempts = append(attempts, a); len(attempts) == batch {
			if _, err := s.Record(b.Context(), policy, attempts); err != nil {
				b.Fatal(err)
			}
			attempts = attempts[:0]
		}
	}
	if p, is := s.(*postgres.Store); is { // what the database does by itself in time
		for _, statement := range []string{`SET statement_timeout = 0`, `VACUUM ANALYZE`} {
			if _, err := p.Writer.ExecContext(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
	}
	return hooks[len(hooks)/2]
}

func benchmarkPage(b *testing.B, s store.Store, span time.Duration) {
	b.Helper()
	b.Cleanup(func() { _ = s.Close() })
	w := fillPage(b, s, span)
	q := &queue{}
	a, err := app.New(app.Config{APITokens: "backend:" + token, MaxWebhooks: 100}, app.Dependencies{
		Store: s, Stream: q, Fleet: fleet{q}, Box: storetest.Box(b),
		CheckURL: endpoint.Policy{}.Check, Health: ops.NewHealth(), Registry: prometheus.NewRegistry(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(a.Handler())
	b.Cleanup(server.Close)
	v := (&system{url: server.URL}).benchVisitor(b)
	for name, path := range map[string]string{
		"cards":           "/portal/",
		"log":             "/portal/webhooks/" + w.ID,
		"log of failures": "/portal/webhooks/" + w.ID + "?status=failed",
		"log of an error": "/portal/webhooks/" + w.ID + "?error=not+found",
	} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = v.fetch(b, path)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/page")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// benchVisitor opens the page.
func (s *system) benchVisitor(b *testing.B) *visitor {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	v := &visitor{base: s.url, client: &http.Client{Jar: jar}}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.url+"/v1/organizations/acme/portal-links", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		b.Fatal(err)
	}
	var link struct{ URL string }
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&link); err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse(link.URL)
	if err != nil {
		b.Fatal(err)
	}
	v.fetch(b, u.RequestURI())
	return v
}

// fetch reads a page as a browser receives it, and returns its bytes on the
// wire.
func (v *visitor) fetch(b *testing.B, path string) int {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, v.base+path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip, br") // the client then leaves it as it is
	resp, err := v.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s answered %d: %v", path, resp.StatusCode, err)
	}
	return int(n)
}
