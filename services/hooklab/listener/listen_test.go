package listener_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/listener"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// api stands in for the API: each stream that is opened is answered by the next
// script.
type api struct {
	*httptest.Server

	mu      sync.Mutex
	scripts []func(http.ResponseWriter)
	opened  []string // the places from which streams were opened
}

func newAPI(t *testing.T, scripts ...func(http.ResponseWriter)) *api {
	t.Helper()
	a := &api{scripts: scripts}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.opened = append(a.opened, r.Header.Get("Last-Event-ID"))
		var script func(http.ResponseWriter)
		if len(a.scripts) > 0 {
			script, a.scripts = a.scripts[0], a.scripts[1:]
		}
		a.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer dnk_1" || r.URL.Path != "/v1/organizations/acme/events" || r.URL.RawQuery != "type=note.created" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
		if script == nil { // nothing more to say
			_, _ = fmt.Fprint(w, "id: 9\nevent: begun\ndata: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		script(w)
	}))
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func note(id string) string {
	return string(event.Sample(event.NoteCreated, "acme", id, time.Now()).Body())
}

// run listens until the test ends, and returns what is forwarded and what ends
// it.
func run(t *testing.T, a *api, change func(*listener.Options)) (results chan listener.Result, troubles, ended chan error) {
	t.Helper()
	secret, err := signature.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	results, troubles, ended = make(chan listener.Result, 20), make(chan error, 20), make(chan error, 1)
	o := listener.Options{
		Server: a.URL + "/", Key: "dnk_1", Organization: "acme", Type: event.NoteCreated, Secret: secret, Provider: webhook.Custom,
		Ready: func() {}, Forwarded: func(r listener.Result) { results <- r }, Trouble: func(err error) { troubles <- err },
	}
	change(&o)
	l, err := listener.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); ended <- l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return results, troubles, ended
}

func next[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not come", what)
	}
	return v
}

func TestAStreamIsOpenedAgainWhereItWas(t *testing.T) {
	t.Parallel()
	say := func(texts ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, strings.Join(texts, "")) }
	}
	a := newAPI(t,
		say("retry: 2000\n\nid: 4\nevent: begun\ndata: {}\n\n", "id: 5\nevent: event\ndata: "+note("evt_5")+"\n\n", ":\n\n",
			"id: 7\nevent: event\ndata: not an event\n\n", "id: 8\nevent: event\ndata: "+note("evt_cut")), // without its end
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		say("id: 7\nevent: begun\ndata: {}\n\n", "id: 8\nevent: event\ndata: "+note("evt_cut")+"\n\n", "event: later\ndata: {}\n\n"),
	)
	rec := receiver.New(receiver.Options{})
	t.Cleanup(func() { _ = rec.Close() })
	at, err := rec.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec.Set("/hook", receiver.Statuses(http.StatusOK, http.StatusInternalServerError))
	results, troubles, _ := run(t, a, func(o *listener.Options) {
		o.Forward, o.Provider = at.URL("/hook"), webhook.Zapier
		rec.Expect("/hook", o.Secret.Reveal())
	})
	for _, want := range []struct {
		id     string
		status int
	}{{"evt_5", 200}, {"evt_cut", 500}} {
		if r := next(t, want.id, results); r.Event.ID != want.id || r.Status != want.status || r.Err != nil {
			t.Errorf("forwarded %s: %d, %v", r.Event.ID, r.Status, r.Err)
		}
	}
	for _, status := range []string{"503", "500"} {
		if err := next(t, "the trouble", troubles); !strings.Contains(err.Error(), status) {
			t.Errorf("trouble %v, want %s", err, status)
		}
	}
	for _, r := range rec.Requests("/hook") {
		if r.DialNote != receiver.Verified || r.Standard != receiver.Verified || r.Header.Get("X-Dialnote-Provider") != "zapier" {
			t.Errorf("forwarded %+v", r)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if places := a.opened[:4]; !slices.Equal(places, []string{"", "7", "7", "7"}) {
		t.Errorf("opened from %q", places)
	}
}

func TestWhatTryingAgainDoesNotChangeEndsIt(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `{"detail":"This credential is not known here."}`)
	})
	_, _, ended := run(t, a, func(*listener.Options) {})
	if err := next(t, "the end", ended); err == nil || !strings.Contains(err.Error(), "401: This credential is not known here.") {
		t.Errorf("ended with %v", err)
	}
	if _, err := listener.New(listener.Options{Secret: "whsec_no"}); err == nil {
		t.Error("a secret that is none")
	}
}

func TestAProgramThatIsNotThereIsNoTrouble(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(w http.ResponseWriter) {
		_, _ = fmt.Fprint(w, "id: 5\nevent: event\ndata: "+note("evt_5")+"\n\n")
	})
	results, _, _ := run(t, a, func(o *listener.Options) { o.Forward = "http://127.0.0.1:1/" })
	if r := next(t, "the result", results); r.Err == nil || r.Status != 0 {
		t.Errorf("%d, %v", r.Status, r.Err)
	}
}
