package app_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/services/config-api/app"
	"github.com/dialnote/webhooks/services/config-api/internal/ratelimit"
)

// BenchmarkHTTP makes requests over real connections to an API with Postgres, a
// broker and a log in a file. The bare handler beside it does nothing but read
// and answer. Client, API and broker share the process: a profile tells them
// apart (-cpuprofile, then pprof -focus 'net/http.\(\*conn\).serve').
func BenchmarkHTTP(b *testing.B) {
	url := benchAPI(b)
	var n atomic.Int64
	one := benchRequest(b, http.MethodPost, url+"/v1/organizations/listed/webhooks", good)
	for range 2 {
		benchRequest(b, http.MethodPost, url+"/v1/organizations/listed/webhooks", good)
	}
	path := url + "/v1/organizations/listed/webhooks/" + one[strings.Index(one, "wh_"):][:29]
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"id":"evt_01m84twwc4484fysac8tsre50t"}`))
	}))
	b.Cleanup(bare.Close)
	for _, c := range []struct {
		name, method string
		url          func() string
		body         func() string
	}{
		{"bare", http.MethodPost, func() string { return bare.URL }, func() string { return noteEvent }},
		{"publish", http.MethodPost, func() string { return url + events }, func() string { return noteEvent }},
		{"create", http.MethodPost, func() string { return fmt.Sprintf("%s/v1/organizations/org%d/webhooks", url, n.Add(1)) }, func() string { return good }},
		{"list", http.MethodGet, func() string { return url + "/v1/organizations/listed/webhooks" }, func() string { return "" }},
		{"get", http.MethodGet, func() string { return path }, func() string { return "" }},
		{"patch", http.MethodPatch, func() string { return path }, func() string { return fmt.Sprintf(`{"name":"Name %d"}`, n.Add(1)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := processorTime(b)
			b.SetParallelism(8)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					benchRequest(b, c.method, c.url(), c.body())
				}
			})
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func benchAPI(b *testing.B) string {
	b.Helper()
	s, err := postgres.Open(b.Context(), pgtest.Schema(b), storetest.Box(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	server := natstest.Start(b)
	conn := benchConn(b, server)
	fleet, err := conn.WatchFleet()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(fleet.Close)
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	a, err := app.New(app.Config{
		APITokens: "backend:" + token, MaxWebhooks: 100,
		Limits: app.Limits{Organization: ratelimit.Limit{PerSecond: 1e9, Burst: 1e9}, Address: ratelimit.Limit{PerSecond: 10, Burst: 100}},
	}, app.Dependencies{
		Store: s, Stream: conn, Fleet: fleet, Box: storetest.Box(b),
		CheckURL: endpoint.Policy{}.Check, Health: ops.NewHealth(), Registry: prometheus.NewRegistry(), Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(file, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	api := httptest.NewServer(a.Handler())
	b.Cleanup(api.Close)
	return api.URL
}

// benchClient keeps a connection for each concurrent request.
var benchClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func benchRequest(b *testing.B, method, url, body string) string {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := benchClient.Do(r)
	if err != nil {
		b.Error(err)
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		b.Error(resp.Status, string(text), err)
	}
	return string(text)
}
