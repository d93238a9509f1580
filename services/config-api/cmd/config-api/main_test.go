package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/secretbox"
)

func TestTheProgramServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := config.Load(map[string]string{
		"DIALNOTE_DATABASE_URL":    "sqlite://" + filepath.Join(t.TempDir(), "test.db"),
		"DIALNOTE_NATS_URL":        natstest.Start(t).ClientURL(),
		"DIALNOTE_ENCRYPTION_KEYS": key,
		"DIALNOTE_API_TOKENS":      "test:0123456789abcdef",
	}, "DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS", "API_TOKENS")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		settings: settings, log: slog.New(slog.DiscardHandler),
		health: ops.NewHealth(), registry: ops.NewRegistry(),
	}
	public, operators := listenAnywhere(t), listenAnywhere(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, t.Context(), public, operators) }()

	api, opsURL := "http://"+public.Addr().String(), "http://"+operators.Addr().String()
	for _, url := range []string{api, opsURL} {
		await(t, url+"/readyz", ended)
	}
	const event = `{"id":"e1","type":"note.created","data":{"noteId":"n1","conversationId":"c1","body":"Hi","authorId":"u1","createdAt":"2026-11-02T09:30:00Z"}}`
	if status, text := post(t, api+"/v1/organizations/acme/events", event); status != http.StatusAccepted {
		t.Errorf("publishing answered %d %s", status, text)
	}
	if _, text := get(t, opsURL+"/metrics"); !strings.Contains(text, "dialnote_api_requests_total") {
		t.Error("the operators' metrics lack the API's")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAWrongSettingEndsTheProgram(t *testing.T) {
	t.Parallel()
	p := &process{
		settings: config.Settings{EndpointPorts: "none"}, log: slog.New(slog.DiscardHandler),
		health: ops.NewHealth(), registry: ops.NewRegistry(),
	}
	err := p.run(t.Context(), t.Context(), listenAnywhere(t), listenAnywhere(t))
	if err == nil || !strings.Contains(err.Error(), "ENDPOINT_PORTS") {
		t.Errorf("got %v", err)
	}
}

func listenAnywhere(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// await asks until the answer is 200. The program must not end meanwhile.
func await(t *testing.T, url string, ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := (&http.Client{}).Do(r); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("the program ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("%s is not ready", url)
		}
	}
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	return do(t, http.MethodGet, url, nil)
}

func post(t *testing.T, url, body string) (status int, text string) {
	t.Helper()
	return do(t, http.MethodPost, url, strings.NewReader(body))
}

func do(t *testing.T, method, url string, body io.Reader) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer 0123456789abcdef")
	r.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
