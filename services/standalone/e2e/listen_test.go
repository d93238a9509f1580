package e2e_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// A developer of a receiver has the real events on their own machine, with a
// key of their organization and no public address.
func TestADeveloperListensOnTheirOwnMachine(t *testing.T) {
	t.Parallel()
	s := startStandalone(t, t.TempDir(), nil) // which sends to public addresses only
	var key struct{ Key string }
	s.client.call(t, http.MethodPost, organization+"/api-keys", map[string]string{"name": "Dev"}, http.StatusCreated, &key)
	r, receiverURL := newReceiver(t)
	r.Set("/hook", receiver.Statuses(http.StatusOK, http.StatusTeapot))

	account := []string{"--server", s.client.base, "--key", key.Key, "--org", organization}
	listener := start(t, "hooklab listen", nil, t.TempDir(), "hooklab",
		append([]string{"listen", "--forward", strings.TrimPrefix(receiverURL, "http://") + "/hook", "--header", "x-make-apikey: k"}, account...)...)
	r.Expect("/hook", listener.matching(t, `^the secret is (whsec_\S+)`))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, args := range [][]string{
		{"trigger", "call.completed"},
		{"trigger", "note.created", "--data", `{"noteId":"n1","conversationId":"c1","body":"Zoë","authorId":"u1","createdAt":"2026-11-23T10:00:00Z","10":1e21}`},
	} {
		trigger := start(t, "hooklab trigger", nil, t.TempDir(), "hooklab", append(args, account...)...)
		id := trigger.matching(t, `^`+args[1]+` (evt_\S+)`)
		got, err := r.WaitRequest(ctx, func(req receiver.Request) bool { return req.EventID == id })
		if err != nil {
			t.Fatal(err)
		}
		if got.DialNote != receiver.Verified || got.Standard != receiver.Verified || got.EventType != args[1] || got.Header.Get("X-Make-Apikey") != "k" ||
			!strings.HasPrefix(got.Header.Get("User-Agent"), "DialNote-Webhooks/") || got.Path != "/hook" {
			t.Errorf("forwarded %+v", got)
		}
		listener.matching(t, `(`+id+` → `+[]string{"200", "418"}[i]+` )`)
	}

	// Another organization's key opens nothing here.
	s.client.call(t, http.MethodPost, "globex/api-keys", map[string]string{"name": "Dev"}, http.StatusCreated, &key)
	foreign := start(t, "hooklab listen", nil, t.TempDir(), "hooklab", "listen", "--server", s.client.base, "--key", key.Key, "--org", organization)
	foreign.matching(t, `(the API answered 404)`)
	s.stop(t) // also with a stream open
}

// What happens while the service is away comes when it is back, once, and
// Ctrl-C leaves nothing behind. The service is behind a proxy, as a customer
// finds it.
func TestAListenerOutlivesTheService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startStandalone(t, dir, nil)
	var service atomic.Pointer[url.URL]
	at := func(s *standalone) {
		t.Helper()
		u, err := url.Parse(s.client.base)
		if err != nil {
			t.Fatal(err)
		}
		service.Store(u)
	}
	at(s)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(service.Load()) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	var key struct{ Key string }
	s.client.call(t, http.MethodPost, organization+"/api-keys", map[string]string{"name": "Dev"}, http.StatusCreated, &key)
	r, receiverURL := newReceiver(t)
	listener := start(t, "hooklab listen", map[string]string{"KEY": key.Key}, t.TempDir(), "hooklab",
		"listen", "--server", proxy.URL, "--org", organization, "--forward", receiverURL+"/hook")
	r.Expect("/hook", listener.matching(t, `^the secret is (whsec_\S+)`))
	publish := func(s *standalone, id string) {
		t.Helper()
		data := map[string]string{"noteId": "n", "conversationId": "c", "body": "b", "authorId": "a", "createdAt": "2026-11-23T10:00:00Z"}
		s.client.call(t, http.MethodPost, organization+"/events", map[string]any{"id": id, "type": event.NoteCreated, "data": data}, http.StatusAccepted, nil)
	}
	publish(s, "evt_before")
	listener.matching(t, `(evt_before → )`)
	s.kill(t)
	listener.matching(t, `^(trying again: )`)

	again := startStandalone(t, dir, nil)
	publish(again, "evt_away") // which the listener does not reach yet
	at(again)
	listener.matching(t, `(evt_away → )`)
	publish(again, "evt_after")
	listener.matching(t, `(evt_after → )`)
	var ids []string
	for _, got := range r.Requests("/hook") {
		ids = append(ids, got.EventID)
		if got.DialNote != receiver.Verified {
			t.Errorf("forwarded %+v", got)
		}
	}
	if got := strings.Join(ids, " "); got != "evt_before evt_away evt_after" {
		t.Errorf("forwarded %s", got)
	}

	listener.signal(t, syscall.SIGINT)
	if listener.err != nil {
		t.Errorf("Ctrl-C ended it with %v", listener.err)
	}
	var list struct{ Data []hook }
	again.client.call(t, http.MethodGet, organization+"/webhooks", nil, http.StatusOK, &list)
	if len(list.Data) > 0 {
		t.Errorf("it left %+v", list.Data)
	}
	again.stop(t)
}
