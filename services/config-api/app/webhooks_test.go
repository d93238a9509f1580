package app_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestCreateShowsTheSecretOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := s.do(t, call{method: http.MethodPost, path: webhooks, body: good}).want(t, http.StatusCreated)
	w := r.object(t)
	id, _ := w["id"].(string)
	secret, _ := w["secret"].(string)
	if !regexp.MustCompile(`^wh_[0-9a-z]{26}$`).MatchString(id) || !regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{32}$`).MatchString(secret) {
		t.Fatalf("unexpected id or secret: %s", r.text)
	}
	if r.header.Get("Location") != webhooks+"/"+id || r.header.Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", r.header.Get("Location"), r.header.Get("ETag"))
	}
	for field, want := range map[string]any{
		"organizationId": "acme", "name": "CRM Call Sync", "provider": "custom", "url": "https://crm.example.com/hooks",
		"event": "call.completed", "status": "active", "failureCount": 0.0, "lastSentAt": nil, "lastError": nil,
		"nextAttemptAt": nil, "heldEvents": 0.0, "disabledReason": nil, "version": 1.0, "suggestedProvider": nil,
	} {
		if got, ok := w[field]; !ok || got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	s.queue.wantCalls(t, "announce acme "+id)

	for _, path := range []string{webhooks, webhooks + "/" + id} {
		if got := s.do(t, call{path: path}).want(t, http.StatusOK); strings.Contains(string(got.text), "whsec_") {
			t.Errorf("the secret is in %s: %s", path, got.text)
		}
	}
	patched := s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"name":"New"}`}).want(t, http.StatusOK)
	if strings.Contains(string(patched.text), "whsec_") {
		t.Errorf("the secret is in the answer of an update: %s", patched.text)
	}
	shown := s.do(t, call{path: webhooks + "/" + id + "/secret"}).want(t, http.StatusOK)
	if got := shown.object(t)["secret"]; got != secret {
		t.Errorf("secret %v, want %v", got, secret)
	}
	if shown.header.Get("Cache-Control") != "no-store" {
		t.Error("the secret may be stored by caches")
	}
	if strings.Contains(s.log.String(), secret) || strings.Contains(s.log.String(), token) {
		t.Error("a secret is in the log")
	}
}

func TestCreateSuggestsZapier(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := strings.Replace(good, "crm.example.com", "hooks.zapier.com", 1)
	w := s.do(t, call{method: http.MethodPost, path: webhooks, body: body}).want(t, http.StatusCreated).object(t)
	if w["provider"] != "custom" || w["suggestedProvider"] != "zapier" {
		t.Errorf("got %v", w)
	}
}

func TestCreateBeyondTheLimit(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 100 {
		s.create(t)
	}
	p := s.do(t, call{method: http.MethodPost, path: webhooks, body: good}).problem(t, http.StatusConflict)
	if p.Type != "urn:dialnote:problem:webhook-limit-reached" {
		t.Errorf("got %+v", p)
	}
	// Another organization has its own limit.
	s.do(t, call{method: http.MethodPost, path: strings.Replace(webhooks, "acme", "globex", 1), body: good}).want(t, http.StatusCreated)
}

func TestListPagesNewestFirst(t *testing.T) {
	t.Parallel()
	s := start(t)
	var ids []string
	for range 5 {
		s.clock.advance(time.Millisecond)
		ids = append(ids, s.create(t))
	}
	slices.Reverse(ids)
	var listed []string
	path := webhooks + "?limit=2"
	for pages := 0; path != ""; pages++ {
		if pages > 3 {
			t.Fatal("the pages do not end")
		}
		o := s.do(t, call{path: path}).want(t, http.StatusOK).object(t)
		data, _ := o["data"].([]any)
		for _, item := range data {
			w, _ := item.(map[string]any)
			id, _ := w["id"].(string)
			listed = append(listed, id)
		}
		path = ""
		if next, ok := o["nextCursor"].(string); ok {
			path = webhooks + "?limit=2&cursor=" + next
		}
	}
	if !slices.Equal(listed, ids) {
		t.Errorf("listed %v, want %v", listed, ids)
	}
	empty := s.do(t, call{path: strings.Replace(webhooks, "acme", "absent", 1)}).want(t, http.StatusOK)
	if string(empty.text) != `{"data":[],"nextCursor":null}` {
		t.Errorf("an empty list is %s", empty.text)
	}
}

func TestUpdateHonoursIfMatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := webhooks + "/" + s.create(t)
	patch := func(ifMatch, name string) reply {
		return s.do(t, call{
			method: http.MethodPatch, path: path, body: `{"name":"` + name + `"}`,
			header: map[string]string{"If-Match": ifMatch, "Content-Type": "application/merge-patch+json"},
		})
	}
	if r := patch(`"1"`, "one").want(t, http.StatusOK); r.header.Get("ETag") != `"2"` {
		t.Errorf("ETag %q", r.header.Get("ETag"))
	}
	for _, stale := range []string{`"1"`, `W/"2"`, `"two"`, `"02"`, `"1", "3"`, `"99999999999999999999"`} {
		if p := patch(stale, "stale").problem(t, http.StatusPreconditionFailed); p.Type != "urn:dialnote:problem:stale-version" {
			t.Errorf("%s: %+v", stale, p)
		}
	}
	for _, malformed := range []string{`2`, `"2`, `"2" "3"`, `"2",`, `, "2"`, `*, "2"`, `w/"2"`, `"a b"`} {
		if p := patch(malformed, "bad").problem(t, http.StatusBadRequest); !slices.Equal(p.pointers(), []string{"If-Match"}) {
			t.Errorf("%s: %+v", malformed, p)
		}
	}
	patch(`"1", "2"`, "two").want(t, http.StatusOK)
	patch(`*`, "three").want(t, http.StatusOK)
	if got := patch("", "three").want(t, http.StatusOK).object(t); got["version"] != 4.0 || got["name"] != "three" {
		t.Errorf("a patch that changes nothing gave %v", got)
	}
	s.do(t, call{method: http.MethodDelete, path: path, header: map[string]string{"If-Match": `"3"`}}).problem(t, http.StatusPreconditionFailed)
	s.do(t, call{method: http.MethodDelete, path: path, header: map[string]string{"If-Match": `"4"`}}).want(t, http.StatusNoContent)
	s.do(t, call{method: http.MethodDelete, path: path, header: map[string]string{"If-Match": `*`}}).problem(t, http.StatusNotFound)
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := webhooks + "/" + s.create(t)
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		wg.Go(func() {
			r := s.do(t, call{method: http.MethodPatch, path: path, body: fmt.Sprintf(`{"name":"n%d"}`, i), header: map[string]string{"If-Match": `"1"`}})
			statuses[i] = r.status
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	want := append([]int{http.StatusOK}, slices.Repeat([]int{http.StatusPreconditionFailed}, 7)...)
	if !slices.Equal(statuses, want) {
		t.Errorf("statuses %v, want one success", statuses)
	}
}

func TestANewURLEndsTheHoldAndDoesNotEnable(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.fail(t, id)
	_, err := s.store.Update(t.Context(), storetest.By(), "acme", id, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Health.AutoDisabled = webhook.NotAutoDisabled
		w.Health.HoldUntil = s.clock.Now().Add(time.Hour)
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := s.do(t, call{path: webhooks + "/" + id}).object(t); w["nextAttemptAt"] == nil {
		t.Fatalf("no hold to end: %v", w)
	}
	w := s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"url":"https://new.example.com/"}`}).want(t, http.StatusOK).object(t)
	if w["nextAttemptAt"] != nil || w["failureCount"] != 3.0 || w["url"] != "https://new.example.com/" {
		t.Errorf("got %v", w)
	}
	s.fail(t, id)
	w = s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"url":"https://newer.example.com/"}`}).want(t, http.StatusOK).object(t)
	if w["status"] != "auto_disabled" || w["disabledReason"] != "failures" {
		t.Errorf("a new URL enabled the webhook: %v", w)
	}
}

func TestDisablingAndDeletingWaitAndDiscard(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.queue.take()
	w := s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`}).want(t, http.StatusOK).object(t)
	if w["status"] != "disabled" || w["disabledReason"] != nil {
		t.Errorf("got %v", w)
	}
	s.queue.wantCalls(t, "announce acme "+id+" and wait", "discard "+id)
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"note.created"}`}).want(t, http.StatusOK)
	s.queue.wantCalls(t, "announce acme "+id)
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).want(t, http.StatusNoContent)
	s.queue.wantCalls(t, "announce acme "+id+" and wait", "discard "+id)
	s.do(t, call{path: webhooks + "/" + id}).problem(t, http.StatusNotFound)
	s.do(t, call{path: webhooks + "/" + id + "/secret"}).problem(t, http.StatusNotFound)
}

func TestEnable(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	enable := func(body string) reply {
		return s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/enable", body: body})
	}
	s.queue.take()

	active := enable(`{"heldEvents":"discard"}`).want(t, http.StatusOK)
	if active.object(t)["version"] != 1.0 {
		t.Errorf("enabling an active webhook changed it: %s", active.text)
	}
	s.queue.wantCalls(t, "announce acme "+id)

	s.fail(t, id)
	w := enable("").want(t, http.StatusOK).object(t)
	if w["status"] != "active" || w["failureCount"] != 0.0 || w["lastError"] == nil || w["version"] != 3.0 {
		t.Errorf("got %v", w)
	}
	s.queue.wantCalls(t, "announce acme "+id)

	s.fail(t, id)
	enable(`{"heldEvents":"discard"}`).want(t, http.StatusOK)
	s.queue.wantCalls(t, "discard "+id, "announce acme "+id)

	s.fail(t, id)
	enable(`{"heldEvents":"deliver"}`).want(t, http.StatusOK)
	s.queue.wantCalls(t, "announce acme "+id)

	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`}).want(t, http.StatusOK)
	if p := enable(`{"heldEvents":"discard"}`).problem(t, http.StatusConflict); p.Type != "urn:dialnote:problem:webhook-disabled" {
		t.Errorf("got %+v", p)
	}
}

func TestHeldEventsAreCountedOrUnknown(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.queue.set(map[string]int64{id: 42}, nil)
	if w := s.do(t, call{path: webhooks + "/" + id}).want(t, http.StatusOK).object(t); w["heldEvents"] != 42.0 {
		t.Errorf("held %v", w["heldEvents"])
	}
	s.queue.set(nil, errAway)
	o := s.do(t, call{path: webhooks}).want(t, http.StatusOK).object(t)
	data, _ := o["data"].([]any)
	if w, _ := data[0].(map[string]any); w["heldEvents"] != nil {
		t.Errorf("held %v while the broker is away", w["heldEvents"])
	}
}

func TestChangesWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.queue.set(nil, fault.New(fault.Unavailable, "broker-unavailable", "away"))
	// A creation succeeds: an error would lose the secret.
	s.create(t)
	r := s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`})
	if p := r.problem(t, http.StatusServiceUnavailable); p.Type != "urn:dialnote:problem:change-not-announced" || r.header.Get("Retry-After") == "" {
		t.Errorf("got %+v %v", p, r.header)
	}
	s.queue.set(nil, nil)
	s.queue.take()
	// The same patch again changes nothing and still sees it through.
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`}).want(t, http.StatusOK)
	s.queue.wantCalls(t, "announce acme "+id+" and wait", "discard "+id)
}

func TestAnotherOrganizationSeesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	foreign := "/v1/organizations/globex/webhooks/" + id
	for _, c := range []call{
		{path: foreign},
		{path: foreign + "/secret"},
		{method: http.MethodPatch, path: foreign, body: `{"name":"Mine"}`},
		{method: http.MethodPatch, path: foreign, body: `{"name":""}`},
		{method: http.MethodDelete, path: foreign},
		{method: http.MethodDelete, path: foreign, header: map[string]string{"If-Match": `"1"`}},
		{method: http.MethodPost, path: foreign + "/enable", body: `{}`},
	} {
		if p := s.do(t, c).problem(t, http.StatusNotFound); p.Type != "urn:dialnote:problem:webhook-not-found" {
			t.Errorf("%s %s: %+v", c.method, c.path, p)
		}
	}
	if w := s.do(t, call{path: webhooks + "/" + id}).want(t, http.StatusOK).object(t); w["version"] != 1.0 {
		t.Errorf("it was changed: %v", w)
	}
}
