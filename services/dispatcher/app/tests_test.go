package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// test has a dispatcher test a webhook.
func (s *system) test(t *testing.T, w webhook.Webhook, eventID string) (delivery.TestResult, error) {
	t.Helper()
	e := event.Sample(event.CallCompleted, w.OrganizationID, eventID, time.Now())
	call := stream.TestCall{OrganizationID: w.OrganizationID, WebhookID: w.ID, Event: e.Body()}
	var (
		trial delivery.TestResult
		err   error
	)
	await(t, "a dispatcher answers tests", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		trial, err = s.conn.Test(ctx, call)
		return err == nil || fault.Of(err).Code != "no-dispatcher"
	})
	return trial, err
}

// onHold returns a webhook whose hold does not end by itself.
func (s *system) onHold(t *testing.T, url string) webhook.Webhook {
	t.Helper()
	w := storetest.Webhook("acme")
	w.URL = url
	w.Health = webhook.Health{
		FailureCount: 1, HoldUntil: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
		LastError: &webhook.Failure{At: time.Now().UTC().Truncate(time.Microsecond), Reason: "timeout", Message: "No answer."},
	}
	return s.create(t, w)
}

func TestATestIsSentAtOnceAndEndsAHold(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	came := make(chan http.Header, 10)
	r := newReceiver(t, nil)
	answer := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			came <- r.Header.Clone()
			w.Header().Set("X-Why", "busy")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "so it is")
		}
	}
	w := s.onHold(t, r.url)
	before := s.get(t, w).Health

	r.answer(answer(http.StatusServiceUnavailable))
	trial, err := s.test(t, w, "evt_test_1")
	o := trial.Attempt.Outcome
	if err != nil || o.Result != delivery.Failed || o.Reason != delivery.ReasonServerError || o.StatusCode != 503 || o.Message == "" ||
		string(o.Response.Body) != "so it is" || o.Response.Header["X-Why"][0] != "busy" || o.Phases.Total <= 0 {
		t.Errorf("a failed test: %+v, %v", trial, err)
	}
	if after := s.get(t, w).Health; !after.HoldUntil.Equal(before.HoldUntil) || after.FailureCount != 1 || !after.LastError.At.Equal(before.LastError.At) {
		t.Errorf("a failed test changed %+v to %+v", before, after)
	}

	// What is answered is what was sent, and its signature is right.
	sent := <-came
	for name, values := range trial.Request.Header {
		if got := sent[http.CanonicalHeaderKey(name)]; len(got) == 0 || strings.Join(got, "|") != strings.Join(values, "|") {
			t.Errorf("%s was sent as %q and shown as %q", name, got, values)
		}
	}
	body := trial.Request.Body
	if err := signature.VerifyDialNote(w.Secret.Reveal(), body, sent.Get("X-DialNote-Signature")); err != nil {
		t.Error(err)
	}
	if trial.Request.URL != r.url+"/" || !bytes.Contains(body, []byte(`"id":"evt_test_1"`)) || len(trial.Request.Header["User-Agent"]) != 1 {
		t.Errorf("sent %+v", trial.Request)
	}

	r.answer(answer(http.StatusOK))
	if trial, err = s.test(t, w, "evt_test_2"); err != nil || trial.Attempt.Outcome.Result != delivery.Succeeded {
		t.Errorf("a good test: %+v, %v", trial, err)
	}
	if after := s.get(t, w).Health; after.OnHold() || after.FailureCount != 1 || !after.LastSentAt.IsZero() {
		t.Errorf("after a good test: %+v", after)
	}
	for id, want := range map[string]delivery.Status{"evt_test_1": delivery.StatusFailed, "evt_test_2": delivery.StatusDelivered} {
		logged := s.attempts(t, w, id)
		if len(logged) != 1 || !logged[0].Test || logged[0].Status != want || logged[0].EventSequence != 0 || !bytes.Contains(logged[0].Body, []byte(id)) {
			t.Errorf("the log of %s: %+v", id, logged)
		}
	}
}

func TestATestReleasesWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	s.run(t, config(never)) // also on a replica that did not make the test
	r := newReceiver(t, nil)
	w := s.onHold(t, r.url)
	s.enlane(t, w, names("held", 5)...)
	if _, err := s.test(t, w, "evt_test"); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus(t, w, delivery.StatusDelivered, names("held", 5)...)
}

func TestATestOfTheMomentItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	old, young := newReceiver(t, nil), newReceiver(t, nil)
	w := s.webhook(t, "acme", old.url)
	s.publish(t, "acme", "evt_warm") // the replica knows it now
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_warm")
	change := func(change func(*webhook.Webhook)) { // which is not announced to the replica
		_, err := s.store.Update(t.Context(), storetest.By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			change(&w)
			return w, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	change(func(w *webhook.Webhook) { w.URL = young.url })
	if _, err := s.test(t, w, "evt_test_1"); err != nil || len(young.all()) != 1 {
		t.Errorf("%v; the new address got %d requests", err, len(young.all()))
	}
	for code, f := range map[string]func(*webhook.Webhook){
		"webhook-changed":    func(w *webhook.Webhook) { w.Event = webhook.SendNotes },
		"webhook-not-active": func(w *webhook.Webhook) { w.Event = webhook.Disabled },
	} {
		change(f)
		if _, err := s.test(t, w, "evt_test_2"); fault.Of(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	unknown := w
	unknown.ID = "wh_01jd9v7q6w3k8m5n2p4r6t8v0x"
	if _, err := s.test(t, unknown, "evt_test_2"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown webhook: %v", err)
	}
	change(func(w *webhook.Webhook) { w.Event, w.URL = webhook.SendCallLogs, "https://no-such-host.invalid" })
	trial, err := s.test(t, w, "evt_test_3")
	if o := trial.Attempt.Outcome; err != nil || o.Result != delivery.Failed || o.Message == "" || o.StatusCode != 0 {
		t.Errorf("no such host: %+v, %v", trial, err)
	}
}

// again asks for an event's delivery again, as the config API does.
func (s *system) again(t *testing.T, w webhook.Webhook, eventID, request string) {
	t.Helper()
	logged := s.attempts(t, w, eventID)
	m, err := s.conn.Event(t.Context(), logged[0].EventSequence)
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Event()
	if err != nil {
		t.Fatal(err)
	}
	d := delivery.Of(e, e.Body(), w.ID, m.Sequence, m.Stored)
	for _, a := range logged {
		if a.Number > 0 {
			d.PriorAttempts++
		}
	}
	if err := s.conn.Requeue(t.Context(), d, request); err != nil {
		t.Fatal(err)
	}
}

func TestADeliveryIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	r := newReceiver(t, nil)
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_1")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_1")
	s.again(t, w, "evt_1", "first")
	await(t, "it is made again", func() bool { return len(s.attempts(t, w, "evt_1")) == 2 })
	s.again(t, w, "evt_1", "second")
	await(t, "it is made a third time", func() bool { return len(s.attempts(t, w, "evt_1")) == 3 })
	s.awaitHeld(t, w, 0)
	wantNumbers(t, s, w, "evt_1", 1, 2, 3)
	if n := r.counts()["evt_1"]; n != 3 {
		t.Errorf("it came %d times", n)
	}
}

func TestADeliveryThatIsAskedForAgainHasTheRetriesOfANewOne(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(10, 10))
	const refused = http.StatusUnprocessableEntity // which puts no webhook on hold
	r := newReceiver(t, first(3+2, status(refused)))
	w := s.webhook(t, "acme", r.url)
	s.publish(t, "acme", "evt_1")
	s.awaitStatus(t, w, delivery.StatusFailed, "evt_1")
	wantNumbers(t, s, w, "evt_1", 1, 2, 3)
	s.again(t, w, "evt_1", "first")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_1")
	wantNumbers(t, s, w, "evt_1", 1, 2, 3, 4, 5, 6)

	r.answer(status(refused)) // and an end as a new one
	s.again(t, w, "evt_1", "second")
	s.awaitStatus(t, w, delivery.StatusFailed, "evt_1")
	wantNumbers(t, s, w, "evt_1", 1, 2, 3, 4, 5, 6, 7, 8, 9)
	s.awaitHeld(t, w, 0)
}

// One organization tests a slow receiver as often as it can: the tests of others are
// made as if it did not.
func TestAnOrganizationsTestsLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	const many = 64
	s := newSystem(t)
	replica := s.run(t, config(never))
	release := make(chan struct{})
	slow := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	quick := newReceiver(t, nil)
	greedy, other := s.webhook(t, "greedy", slow.url), s.webhook(t, "other", quick.url)
	if _, err := s.test(t, other, "evt_test_before"); err != nil {
		t.Fatal(err)
	}
	codes := make(chan string, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			_, err := s.test(t, greedy, fmt.Sprintf("evt_test_%d", i))
			if err == nil {
				codes <- ""
				return
			}
			codes <- fault.Of(err).Code
		})
	}
	for range many / 2 { // the others hang
		if code := <-codes; code != "too-many-tests" {
			t.Errorf("a test was answered with %q", code)
		}
	}
	await(t, "the rest are being made", func() bool { return slow.inFlight() == many/2 })
	for i := range 8 {
		if _, err := s.test(t, other, fmt.Sprintf("evt_test_other_%d", i)); err != nil {
			t.Errorf("the test of another organization: %v", err)
		}
	}
	if n := replica.heldBack(t, "tests", "share", "refused"); n != many/2 {
		t.Errorf("%v tests are counted as held back", n)
	}
	close(release)
	all.Wait()
	for range many / 2 {
		if code := <-codes; code != "" {
			t.Errorf("a test that was made was answered with %q", code)
		}
	}
}
