package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/app"
)

const noteEvent = `{"type":"note.created","data":{"noteId":"n1","conversationId":"c1","body":"Hi","authorId":"u1","createdAt":"2026-11-02T09:30:00Z"}}`

func keyed(path, key, body string) call {
	return call{method: http.MethodPost, path: path, body: body, header: map[string]string{"Idempotency-Key": key}}
}

func (s *system) count(t *testing.T) int {
	t.Helper()
	data, _ := s.do(t, call{path: webhooks}).want(t, http.StatusOK).object(t)["data"].([]any)
	return len(data)
}

func TestTheSameKeyGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.do(t, keyed(webhooks, "k1", good)).want(t, http.StatusCreated)
	again := s.do(t, keyed(webhooks, `"k1"`, good)).want(t, http.StatusCreated)
	if string(first.text) != string(again.text) || first.header.Get("Location") != again.header.Get("Location") ||
		first.header.Get("ETag") != again.header.Get("ETag") || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("first %s %v\nagain %s %v", first.text, first.header, again.text, again.header)
	}
	if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
		t.Error("a replayed answer is not marked")
	}
	if n := s.count(t); n != 1 {
		t.Errorf("%d webhooks", n)
	}
	other := s.do(t, keyed(webhooks, "k1", strings.Replace(good, "CRM", "ERP", 1)))
	if p := other.problem(t, http.StatusUnprocessableEntity); p.Type != "urn:dialnote:problem:idempotency-key-reused" {
		t.Errorf("got %+v", p)
	}

	// The key belongs to the credential, the organization and the path.
	by := keyed(webhooks, "k1", good)
	by.token = otherToken
	s.do(t, by).want(t, http.StatusCreated)
	s.do(t, keyed(strings.Replace(webhooks, "acme", "globex", 1), "k1", good)).want(t, http.StatusCreated)
	s.do(t, keyed(events, "k1", noteEvent)).want(t, http.StatusAccepted)
	if n := s.count(t); n != 2 {
		t.Errorf("%d webhooks", n)
	}

	s.clock.advance(24*time.Hour + time.Second)
	if late := s.do(t, keyed(webhooks, "k1", good)).want(t, http.StatusCreated); string(late.text) == string(first.text) {
		t.Error("the answer outlived its day")
	}
}

func TestAFailedRequestGivesItsKeyBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.do(t, keyed(webhooks, "k", `{"name":""}`)).problem(t, http.StatusUnprocessableEntity)
	s.do(t, keyed(webhooks, "k", good)).want(t, http.StatusCreated)

	s.queue.set(nil, fault.New(fault.Unavailable, "broker-unavailable", "away"))
	s.do(t, keyed(events, "e", noteEvent)).problem(t, http.StatusServiceUnavailable)
	s.queue.set(nil, nil)
	first := s.do(t, keyed(events, "e", noteEvent)).want(t, http.StatusAccepted)
	if again := s.do(t, keyed(events, "e", noteEvent)).want(t, http.StatusAccepted); string(again.text) != string(first.text) {
		t.Errorf("%s and then %s", first.text, again.text)
	}
	if n := len(s.queue.published); n != 1 {
		t.Errorf("published %d times", n)
	}
}

// The secret of a deleted webhook, or a revoked key, is in no stored answer.
func TestAnAnswerGoesWithItsSecret(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, body := range map[string]string{webhooks: good, "/v1/organizations/acme/api-keys": `{"name":"CRM"}`} {
		first := s.do(t, keyed(path, "k", body)).want(t, http.StatusCreated)
		var created struct{ ID string }
		if err := json.Unmarshal(first.text, &created); err != nil {
			t.Fatal(err)
		}
		if again := s.do(t, keyed(path, "k", body)).want(t, http.StatusCreated); string(again.text) != string(first.text) {
			t.Errorf("%s and then %s", first.text, again.text)
		}
		s.do(t, call{method: http.MethodDelete, path: path + "/" + created.ID}).want(t, http.StatusNoContent)
		if p := s.do(t, keyed(path, "k", body)).problem(t, http.StatusConflict); p.Type != "urn:dialnote:problem:idempotency-key-used" {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestAKeyAtWorkIsAConflict(t *testing.T) {
	t.Parallel()
	s := start(t)
	gate := &gatedPublisher{queue: s.queue, entered: make(chan struct{}), open: make(chan struct{})}
	deps := s.dependencies()
	deps.Stream = gate
	gated := s.serve(t, deps)

	var wg sync.WaitGroup
	wg.Go(func() { gated.do(t, keyed(events, "k", noteEvent)).want(t, http.StatusAccepted) })
	<-gate.entered
	if p := gated.do(t, keyed(events, "k", noteEvent)).problem(t, http.StatusConflict); p.Type != "urn:dialnote:problem:request-in-progress" {
		t.Errorf("got %+v", p)
	}
	gated.do(t, keyed(events, "k", strings.Replace(noteEvent, "Hi", "Ho", 1))).problem(t, http.StatusUnprocessableEntity)
	close(gate.open)
	wg.Wait()
	if r := gated.do(t, keyed(events, "k", noteEvent)).want(t, http.StatusAccepted); r.header.Get("Idempotent-Replayed") != "true" {
		t.Error("the answer was not kept")
	}
}

// A process that died at work leaves its claim behind.
func TestADeadClaimEndsSoon(t *testing.T) {
	t.Parallel()
	s := start(t)
	deps := s.dependencies()
	deps.Store = neverFinishes{deps.Store}
	s.serve(t, deps).do(t, keyed(events, "k", noteEvent)).want(t, http.StatusAccepted)
	s.do(t, keyed(events, "k", noteEvent)).problem(t, http.StatusConflict)
	s.clock.advance(3 * time.Minute)
	s.do(t, keyed(events, "k", noteEvent)).want(t, http.StatusAccepted)
}

type gatedPublisher struct {
	*queue

	entered, open chan struct{}
}

func (g *gatedPublisher) Publish(context.Context, event.Event) error {
	close(g.entered)
	<-g.open
	return nil
}

// neverFinishes is a store of a process that dies before it keeps an answer.
type neverFinishes struct{ app.Store }

func (neverFinishes) Finish(context.Context, string, store.IdempotentAnswer) error { return nil }
