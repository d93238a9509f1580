package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// BenchmarkPublish is the API's own part of publishing an event: everything
// but the network and the broker.
func BenchmarkPublish(b *testing.B) {
	q := &queue{}
	a, err := app.New(app.Config{APITokens: "a:" + token}, app.Dependencies{
		Store: panics{}, Stream: dropped{q}, Fleet: fleet{q},
		CheckURL: func(string) error { return nil },
		Health:   ops.NewHealth(), Registry: prometheus.NewRegistry(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, events, strings.NewReader(noteEvent))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code, w.Body)
		}
	}
}

type dropped struct{ *queue }

func (dropped) Publish(context.Context, event.Event) error { return nil }
