package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
)

const audits = "/v1/organizations/acme/audit-log"

// audited returns the entries of the log, the oldest first, a line each: who
// did what to what.
func (s *system) audited(t *testing.T, query url.Values) []string {
	t.Helper()
	page := s.do(t, call{path: audits + "?" + query.Encode()}).want(t, http.StatusOK).object(t)
	data, _ := page["data"].([]any)
	var lines []string
	for _, item := range data {
		e, _ := item.(map[string]any)
		actor, _ := e["actor"].(map[string]any)
		target, _ := e["target"].(map[string]any)
		line := fmt.Sprintf("%v %v %v %v", actor["kind"], actor["name"], e["action"], target["kind"])
		lines = append(lines, strings.ReplaceAll(line, " <nil>", ""))
	}
	slices.Reverse(lines)
	return lines
}

func TestEveryChangeIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	keyID, key := s.apiKey(t, "acme")
	cookie := s.session(t, "acme")
	id := s.create(t)
	hook := webhooks + "/" + id
	for _, c := range []call{
		{method: http.MethodPatch, path: hook, body: `{"name":"New"}`, token: key},
		{method: http.MethodPatch, path: hook, body: `{"name":"New"}`, token: key}, // changes nothing
		{path: hook + "/secret", token: "-", header: withCookie(cookie)},
		{path: hook, token: key},
		{path: hook + "/stats", token: key},
		{path: zapier, token: "-", header: withCookie(cookie)},
		{path: zapier},
		{method: http.MethodPost, path: zapier + "/rotate"},
		{method: http.MethodPost, path: hook + "/recoveries", body: `{"since":"2026-01-01T00:00:00Z","dryRun":true}`},
	} {
		if r := s.do(t, c); r.status >= 300 {
			t.Fatalf("%s %s: %d %s", c.method, c.path, r.status, r.text)
		}
		s.clock.advance(time.Millisecond)
	}
	s.do(t, call{method: http.MethodPost, path: hook + "/test", token: key}).want(t, http.StatusOK)
	s.deliver(t, id, exampleDelivery, nil)
	s.do(t, call{method: http.MethodPost, path: hook + "/deliveries/" + exampleDelivery + "/redeliver", token: key}).want(t, http.StatusAccepted)
	recovery := s.do(t, call{method: http.MethodPost, path: hook + "/recoveries", body: `{"since":"2026-01-01T00:00:00Z"}`, token: key}).want(t, http.StatusAccepted).object(t)
	s.do(t, call{method: http.MethodDelete, path: hook + "/recoveries/" + fmt.Sprint(recovery["id"]), token: key}).want(t, http.StatusNoContent)
	s.fail(t, id)
	s.do(t, call{method: http.MethodPost, path: hook + "/enable", body: `{"heldEvents":"discard"}`, token: otherToken}).want(t, http.StatusOK)
	s.clock.advance(time.Millisecond)
	s.do(t, call{method: http.MethodPost, path: hook + "/enable", token: otherToken}).want(t, http.StatusOK) // changes nothing
	s.do(t, call{method: http.MethodPatch, path: hook, body: `{"name":""}`}).want(t, http.StatusUnprocessableEntity)
	s.do(t, call{method: http.MethodDelete, path: hook, token: key}).want(t, http.StatusNoContent)
	s.clock.advance(time.Millisecond)
	s.do(t, call{method: http.MethodDelete, path: keys + "/" + keyID}).want(t, http.StatusNoContent)

	got := s.audited(t, nil)
	slices.Sort(got) // the times of some entries are not the test's
	want := []string{
		"service_token backend api_key.created api_key",
		"service_token backend portal_link.created portal_link",
		"portal anna@acme.example portal_session.begun portal_session",
		"service_token backend webhook.created webhook",
		"api_key Reporting webhook.updated webhook",
		"portal anna@acme.example webhook.secret_shown webhook",
		"portal anna@acme.example zapier_key.created zapier_key",
		"service_token backend zapier_key.shown zapier_key",
		"service_token backend zapier_key.rotated zapier_key",
		"api_key Reporting webhook.tested webhook",
		"api_key Reporting delivery.redelivered delivery",
		"api_key Reporting recovery.started recovery",
		"api_key Reporting recovery.cancelled recovery",
		"service_token tests webhook.auto_disabled webhook",
		"service_token billing webhook.held_events_discarded webhook",
		"service_token billing webhook.enabled webhook",
		"api_key Reporting webhook.deleted webhook",
		"service_token backend api_key.revoked api_key",
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the log tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// It is filtered, and other organizations do not see it.
	for query, want := range map[string]int{
		"webhookId=" + id: 11, "targetId=" + keyID: 2, "actor=billing": 2, "actorKind=portal": 3, "actorKind=portal&actor=anna%40acme.example&action=zapier_key.created": 1,
		"action=webhook.updated": 1, "until=2020-01-01T00%3A00%3A00Z": 0, "since=2020-01-01T00%3A00%3A00Z": len(got), "actor=absent": 0,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if lines := s.audited(t, values); len(lines) != want {
			t.Errorf("%s: %d entries, want %d: %v", query, len(lines), want, lines)
		}
	}
	for _, query := range []string{"action=webhook.destroyed", "actorKind=root", "since=yesterday", "webhookId=x", "actor=", "who=me"} {
		s.do(t, call{path: audits + "?" + query}).problem(t, http.StatusBadRequest)
	}
	if other := s.do(t, call{path: "/v1/organizations/other/audit-log"}).want(t, http.StatusOK); string(other.text) != `{"data":[],"nextCursor":null}` {
		t.Errorf("another organization sees %s", other.text)
	}
}

func TestWhatCannotBeNotedIsNotDone(t *testing.T) {
	t.Parallel()
	s := start(t)
	active, id := s.create(t), s.create(t)
	s.fail(t, id)
	s.queue.take()
	if _, err := s.store.Writer.ExecContext(t.Context(), `DROP TABLE audit_log`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []call{
		{path: webhooks + "/" + id + "/secret"},
		{path: zapier},
		{method: http.MethodPost, path: webhooks, body: good},
		{method: http.MethodPost, path: webhooks + "/" + active + "/test"},
		{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"name":"New"}`},
		{method: http.MethodPost, path: webhooks + "/" + id + "/enable", body: `{"heldEvents":"discard"}`},
		{method: http.MethodDelete, path: webhooks + "/" + id},
		{method: http.MethodPost, path: keys, body: `{"name":"a"}`},
	} {
		s.do(t, c).problem(t, http.StatusServiceUnavailable)
	}
	s.queue.wantCalls(t)
	list := s.do(t, call{path: webhooks}).want(t, http.StatusOK).object(t)
	var is []string
	for _, item := range list["data"].([]any) {
		w, _ := item.(map[string]any)
		is = append(is, fmt.Sprintf("%v %v %v", w["id"], w["name"], w["status"]))
	}
	want := []string{active + " CRM Call Sync active", id + " CRM Call Sync auto_disabled"}
	slices.Sort(want)
	slices.Sort(is)
	if !slices.Equal(is, want) {
		t.Errorf("something was done: %v, want %v", is, want)
	}
}

func TestTheDocumentListsEveryAction(t *testing.T) {
	t.Parallel()
	schemas := load(t).Root().Object("components").Object("schemas")
	var listed []audit.Action
	for _, name := range schemas.Object("AuditAction").List("enum") {
		text, _ := name.(string)
		listed = append(listed, audit.Action(text))
	}
	if !slices.Equal(listed, audit.Actions()) {
		t.Errorf("the document lists %v, there are %v", listed, audit.Actions())
	}
}
