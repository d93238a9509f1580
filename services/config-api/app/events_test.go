package app_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/fault"
)

func TestPublishEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	made := s.do(t, call{method: http.MethodPost, path: events, body: noteEvent}).want(t, http.StatusAccepted).object(t)
	if id, _ := made["id"].(string); !regexp.MustCompile(`^evt_[0-9a-z]{26}$`).MatchString(id) {
		t.Errorf("made the id %v", made)
	}
	own := strings.Replace(noteEvent, "{", `{"id":"mine-1","timestamp":"2024-01-15T10:30:00Z","organizationId":"acme",`, 1)
	for range 2 {
		r := s.do(t, call{method: http.MethodPost, path: events, body: own}).want(t, http.StatusAccepted)
		if string(r.text) != `{"id":"mine-1"}` {
			t.Errorf("answered %s", r.text)
		}
	}
	e := s.queue.published[1]
	want := `{"id":"mine-1","type":"note.created","timestamp":"2024-01-15T10:30:00Z","organizationId":"acme","data":{"noteId":"n1","conversationId":"c1","body":"Hi","authorId":"u1","createdAt":"2026-11-02T09:30:00Z"}}`
	if got := string(e.Body()); got != want {
		t.Errorf("published %s", got)
	}
}

func TestPublishWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, away := range map[string]error{
		"broker-unavailable": fault.New(fault.Unavailable, "broker-unavailable", "away"),
		"timed-out":          context.DeadlineExceeded,
	} {
		s.queue.set(nil, away)
		r := s.do(t, call{method: http.MethodPost, path: events, body: noteEvent})
		if p := r.problem(t, http.StatusServiceUnavailable); p.Type != "urn:dialnote:problem:"+name || r.header.Get("Retry-After") != "5" {
			t.Errorf("got %+v %v", p, r.header)
		}
	}
	s.queue.set(nil, errAway)
	r := s.do(t, call{method: http.MethodPost, path: events, body: noteEvent})
	if p := r.problem(t, http.StatusInternalServerError); strings.Contains(string(r.text), errAway.Error()) || p.Type != "urn:dialnote:problem:internal" {
		t.Errorf("an unclassified error shows: %s", r.text)
	}
	if !strings.Contains(s.log.String(), errAway.Error()) {
		t.Error("the cause is not in the log")
	}
}
