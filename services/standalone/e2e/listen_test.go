package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

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
		append([]string{"listen", "--forward", receiverURL + "/hook", "--header", "x-make-apikey: k"}, account...)...)
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
