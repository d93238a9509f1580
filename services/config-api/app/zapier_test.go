package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func (q *queue) Latest(_ context.Context, organizationID string, t event.Type, n int) ([]*stream.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away != nil {
		return nil, q.away
	}
	var latest []*stream.Message
	for i, e := range slices.Backward(q.published) {
		if e.OrganizationID == organizationID && e.Type == t && len(latest) < n {
			latest = append(latest, messageOf(e, uint64(i+1)))
		}
	}
	return latest, nil
}

func (q *queue) PublishUnsubscribeRequest(_ context.Context, r stream.UnsubscribeRequest) error {
	return q.note("unsubscribe " + r.URL)
}

// zapierKey returns the Zapier key of an organization.
func (s *system) zapierKey(t *testing.T, organization string) string {
	t.Helper()
	key, _ := s.do(t, call{path: "/v1/organizations/" + organization + "/zapier-key"}).want(t, http.StatusOK).object(t)["key"].(string)
	return key
}

// zapier makes a request as Zapier does.
func (s *system) zapier(t *testing.T, key, method, path, body string) reply {
	t.Helper()
	return s.do(t, call{method: method, path: "/v1/zapier/" + path, body: body, token: "-", header: map[string]string{"X-DIALNOTE-API-KEY": key}})
}

const (
	zapURL    = "https://hooks.zapier.com/hooks/standard/1/abc/"
	subscribe = `{"targetUrl":"` + zapURL + `","event":"call.completed"`
)

func TestTheZapierKeyOpensItsOrganization(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, org := range []string{"acme", "globex"} {
		me := s.zapier(t, s.zapierKey(t, org), http.MethodGet, "me", "").want(t, http.StatusOK)
		if got := me.object(t)["organizationId"]; got != org {
			t.Errorf("the key of %s is one of %v", org, got)
		}
	}
	for _, key := range []string{"dnk_wrong", token} {
		s.zapier(t, key, http.MethodGet, "me", "").problem(t, http.StatusUnauthorized)
	}
	s.do(t, call{path: "/v1/zapier/me"}).problem(t, http.StatusForbidden) // a service token
}

func TestAZapSubscribesAndUnsubscribes(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, foreign := s.zapierKey(t, "acme"), s.zapierKey(t, "globex")
	made := s.zapier(t, key, http.MethodPost, "hooks", subscribe+`,"name":" Calls to Sheets "}`).want(t, http.StatusCreated).object(t)
	id, _ := made["id"].(string)
	w, err := s.store.Get(t.Context(), "acme", id)
	if err != nil || w.Provider != webhook.Zapier || w.URL != zapURL || w.Event != webhook.SendCallLogs || w.Name != "Calls to Sheets" ||
		w.Secret.Reveal() != made["secret"] {
		t.Fatalf("made %+v, answered %v; %v", w, made, err)
	}
	s.queue.wantCalls(t, "announce acme "+id)

	// Another key cannot take it away, and learns nothing.
	s.zapier(t, foreign, http.MethodDelete, "hooks/"+id, "").want(t, http.StatusNoContent)
	if _, err := s.store.Get(t.Context(), "acme", id); err != nil {
		t.Fatal(err)
	}
	// Nor is a webhook that is none of Zapier's.
	custom := s.create(t)
	s.zapier(t, key, http.MethodDelete, "hooks/"+custom, "").want(t, http.StatusNoContent)
	if _, err := s.store.Get(t.Context(), "acme", custom); err != nil {
		t.Fatal(err)
	}
	s.queue.take()

	s.zapier(t, key, http.MethodDelete, "hooks/"+id, "").want(t, http.StatusNoContent)
	s.queue.wantCalls(t, "announce acme "+id+" and wait", "discard "+id) // and no unsubscribe request: it was Zapier itself
	for _, gone := range []string{id, "wh_01jd9v7q6w3k8m5n2p4r6t8v0x", "x", "wh_%00", "wh_" + strings.Repeat("x", 61)} {
		s.zapier(t, key, http.MethodDelete, "hooks/"+gone, "").want(t, http.StatusNoContent)
	}
	s.queue.wantCalls(t)

	// Who did it is in the audit log.
	page, _, err := s.store.ListEntries(t.Context(), "acme", audit.Filter{WebhookID: id}, store.Page{Limit: 10})
	if err != nil || len(page) != 2 || page[0].Action != audit.WebhookDeleted || page[0].Actor.Kind != audit.ZapierKey ||
		page[1].Actor.Kind != audit.ZapierKey {
		t.Errorf("the audit log: %+v, %v", page, err)
	}
}

func TestTheSameSubscriptionIsOne(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.zapierKey(t, "acme")
	post := func(body string) string {
		t.Helper()
		id, _ := s.zapier(t, key, http.MethodPost, "hooks", body).want(t, http.StatusCreated).object(t)["id"].(string)
		return id
	}
	first := post(subscribe + "}")
	if again := post(subscribe + `,"name":"x"}`); again != first {
		t.Errorf("the same again is %s, not %s", again, first)
	}
	s.fail(t, first)
	if again := post(subscribe + "}"); again != first {
		t.Errorf("after a failure it is %s, not %s", again, first)
	}
	if w, err := s.store.Get(t.Context(), "acme", first); err != nil || w.Status() != webhook.StatusActive || w.Name != "Zap: call.completed" {
		t.Errorf("%+v, %v", w, err)
	}
	other := post(strings.ReplaceAll(subscribe, "call.completed", "note.created") + "}")
	if other == first || post(strings.ReplaceAll(subscribe, "abc", "xyz")+"}") == first {
		t.Error("another subscription is the same")
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.zapierKey(t, "acme")
	for body, want := range map[string][]string{
		`{}`: {"/targetUrl", "/event"},
		`{"targetUrl":"https://example.com/","event":"call.completed"}`:   {"/targetUrl"},
		`{"targetUrl":"http://10.0.0.1/","event":"call.completed"}`:       {"/targetUrl"},
		strings.ReplaceAll(subscribe, "call.completed", "disabled") + `}`: {"/event"},
		subscribe + `,"name":"` + strings.Repeat("x", 101) + `"}`:         {"/name"},
		subscribe + `,"url":"x"}`:                                         {"/url"},
	} {
		p := s.zapier(t, key, http.MethodPost, "hooks", body).problem(t, http.StatusUnprocessableEntity)
		if !slices.Equal(p.pointers(), want) {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
}

func TestSamplesAreTheLatestEventsOrMadeUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.zapierKey(t, "acme")
	samples := func(kind event.Type) []json.RawMessage {
		t.Helper()
		var list []json.RawMessage
		if err := json.Unmarshal(s.zapier(t, key, http.MethodGet, "samples/"+string(kind), "").want(t, http.StatusOK).text, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, kind := range event.Types() {
		list := samples(kind)
		e, err := event.ParseJSON(list[0])
		if err != nil || len(list) != 1 || e.Type != kind || e.OrganizationID != "acme" || !bytes.Equal(e.Body(), list[0]) {
			t.Errorf("%s: %s, %v", kind, list, err)
		}
	}
	// Real ones, in their own bytes: this one's numbers and order are odd.
	for _, org := range []string{"acme", "acme", "globex", "acme", "acme"} {
		s.do(t, call{method: http.MethodPost, path: "/v1/organizations/" + org + "/events", body: `{"type":"call.completed",` +
			`"data":{"zeta":1e21,"callSid":"CA1","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":180,"10":"<é>"}}`}).
			want(t, http.StatusAccepted)
	}
	s.queue.mu.Lock()
	published := slices.Clone(s.queue.published)
	s.queue.mu.Unlock()
	list := samples(event.CallCompleted)
	if len(list) != 3 {
		t.Fatalf("%d samples", len(list))
	}
	for i, sequence := range []int{4, 3, 1} {
		if !bytes.Equal(list[i], published[sequence].Body()) {
			t.Errorf("sample %d is %s, want %s", i, list[i], published[sequence].Body())
		}
	}
	if list := samples(event.NoteCreated); len(list) != 1 || !bytes.Contains(list[0], []byte(`"evt_sample"`)) {
		t.Errorf("no notes: %s", list)
	}
	s.queue.set(nil, errAway)
	if list := samples(event.CallCompleted); len(list) != 1 {
		t.Errorf("without the broker: %s", list)
	}
	s.zapier(t, key, http.MethodGet, "samples/disabled", "").problem(t, http.StatusNotFound)
}

func TestZapierIsNotifiedOfADeletionInTheAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.zapierKey(t, "acme")
	id, _ := s.zapier(t, key, http.MethodPost, "hooks", subscribe+"}").want(t, http.StatusCreated).object(t)["id"].(string)
	s.queue.take()
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).want(t, http.StatusNoContent)
	s.queue.wantCalls(t, "unsubscribe "+zapURL, "announce acme "+id+" and wait", "discard "+id)

	// It never blocks the deletion.
	id, _ = s.zapier(t, key, http.MethodPost, "hooks", subscribe+"}").want(t, http.StatusCreated).object(t)["id"].(string)
	s.queue.set(nil, errAway)
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).problem(t, http.StatusServiceUnavailable) // not announced either
	s.queue.set(nil, nil)
	if _, err := s.store.Get(t.Context(), "acme", id); err == nil {
		t.Error("it is still there")
	}
}

func TestZapierIsNotifiedOfADeletionOnThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	id, _ := s.zapier(t, s.zapierKey(t, "acme"), http.MethodPost, "hooks", subscribe+"}").want(t, http.StatusCreated).object(t)["id"].(string)
	v := s.visit(t, "acme", "anna").open(t, "/portal/").follow(t, "Delete")
	s.queue.take()
	v.send(t, "Delete webhook", nil).want(t, http.StatusOK).sees(t, "The webhook was deleted.")
	s.queue.wantCalls(t, "unsubscribe "+zapURL, "announce acme "+id+" and wait", "discard "+id)
}
