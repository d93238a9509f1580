package app_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

const (
	// Those of the document's examples.
	exampleDelivery = "dlv_mfrggzdfmztwq2lknnwg23tpoa"
	exampleRecovery = "rec_01jd9v7q6w3k8m5n2p4r6t8v0x"

	keptEvent    = "evt_kept" // at keptSequence in the queue's stream
	keptSequence = 7
)

var errExpired = fault.New(fault.NotFound, "event-expired", "Gone.")

// Event is the kept one, and none else.
func (q *queue) Event(_ context.Context, sequence uint64) (*stream.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sequence != keptSequence {
		return nil, errExpired
	}
	return messageOf(event.Sample(event.CallCompleted, "acme", keptEvent, time.Now()), sequence), q.away
}

func (q *queue) CountHistory(_ context.Context, r stream.EventRange, until time.Time) (int64, error) {
	return 40, q.note("count " + r.OrganizationID + " " + string(r.Type) + " for " + until.Sub(r.Since).String())
}

func (q *queue) Requeue(_ context.Context, d delivery.Delivery, _ string) error {
	return q.note("requeue " + d.ID + " of " + d.EventID + " after " + itoa(d.PriorAttempts))
}

// Test answers as a receiver does that says 200, or 503 to an id.
func (q *queue) Test(_ context.Context, call stream.TestCall) (delivery.TestResult, error) {
	e, err := event.ParseJSON(call.Event)
	if err != nil {
		return delivery.TestResult{}, err
	}
	if err := q.note("test " + call.OrganizationID + " " + call.WebhookID + " " + string(e.Data)); err != nil {
		return delivery.TestResult{}, err
	}
	now := time.Now()
	a := delivery.Attempt{
		DeliveryID: delivery.ID(call.WebhookID, e.ID), EventID: e.ID, EventType: e.Type, Number: 1, Test: true, Body: e.Body(),
		StartedAt: now, EndedAt: now.Add(84 * time.Millisecond),
		Outcome: delivery.Outcome{
			Result: delivery.Succeeded, StatusCode: 200,
			Response: delivery.Response{Header: map[string][]string{"X-A": {"1", "2"}}, Body: []byte("ok")},
			Phases:   delivery.Phases{FirstByte: 48 * time.Millisecond, Total: 84 * time.Millisecond},
		},
	}
	return delivery.TestResult{Attempt: a, Request: delivery.Request{
		URL: "https://crm.example.com/hooks", Header: map[string][]string{"X-DialNote-Event": {string(e.Type)}}, Body: e.Body(),
	}}, nil
}

// deliver records a delivery of the kept event to a webhook with this outcome.
func (s *system) deliver(t *testing.T, webhookID, deliveryID string, change func(*delivery.Attempt)) {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme", webhookID)
	if err != nil {
		t.Fatal(err)
	}
	a := storetest.Succeeded(w, s.clock.Now().Add(-time.Minute), time.Second)
	a.DeliveryID, a.EventID, a.EventSequence = deliveryID, keptEvent, keptSequence
	if change != nil {
		change(&a)
	}
	if _, err := s.store.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
		t.Fatal(err)
	}
}

// exemplify makes what the document's examples of an operation's path name, and
// returns the webhook that has it.
func (s *system) exemplify(t *testing.T, op *contract.Operation) string {
	t.Helper()
	id := s.create(t)
	if strings.Contains(op.Path, "{deliveryId}") {
		s.deliver(t, id, exampleDelivery, nil)
	}
	if strings.Contains(op.Path, "{rid}") {
		id = s.recovered(t, id)
	}
	if strings.Contains(op.Path, "{keyId}") {
		s.exampleAPIKey(t)
	}
	return id
}

// recovered makes the example recovery, of a webhook unless another has it.
func (s *system) recovered(t *testing.T, webhookID string) string {
	t.Helper()
	const one = `SELECT webhook_id FROM recoveries WHERE id = ?`
	var there string
	if s.store.Reader.GetContext(t.Context(), &there, one, exampleRecovery) == nil {
		return there
	}
	w, err := s.store.Get(t.Context(), "acme", webhookID)
	if err != nil {
		t.Fatal(err)
	}
	r := storetest.Recovery(w)
	r.ID = exampleRecovery
	if err := s.store.CreateRecovery(t.Context(), storetest.By(), r); err != nil {
		t.Fatal(err)
	}
	return webhookID
}

func (s *system) disable(t *testing.T, id string) {
	t.Helper()
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`}).want(t, http.StatusOK)
	s.queue.take()
}

func TestTestSendsASampleAndAnswersWithTheOutcome(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.queue.take()
	o := s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/test"}).want(t, http.StatusOK).object(t)
	sample := event.Sample(event.CallCompleted, "acme", "x", s.clock.Now())
	s.queue.wantCalls(t, "test acme "+id+" "+string(sample.Data))
	request, _ := o["request"].(map[string]any)
	response, _ := o["response"].(map[string]any)
	body, _ := request["body"].(string)
	if o["status"] != "delivered" || o["statusCode"] != 200.0 || o["durationMs"] != 84.0 || response["body"] != "ok" || o["message"] != nil {
		t.Errorf("answered %v", o)
	}
	eventID, _ := o["eventId"].(string)
	if !regexp.MustCompile(`^evt_test_[0-9a-z]{26}$`).MatchString(eventID) || !strings.Contains(body, eventID) {
		t.Errorf("tested with event %q and body %s", eventID, body)
	}
	if phases, _ := json.Marshal(o["phases"]); string(phases) != `{"firstByte":48,"total":84}` {
		t.Errorf("phases %s", phases)
	}
}

func TestTestSendsTheDataGiven(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	path := webhooks + "/" + id + "/test"
	const data = `{"z":"ü","callSid":"CA1","direction":"inbound","phoneNumber":"+15550100123","status":"busy","duration":0,"a":1.0}`
	s.queue.take()
	s.do(t, call{method: http.MethodPost, path: path, body: ` {"data": ` + data + `}`}).want(t, http.StatusOK)
	s.queue.wantCalls(t, "test acme "+id+" "+strings.Replace(data, "1.0", "1", 1)) // in the order given
	s.do(t, call{method: http.MethodPost, path: path, body: `{}`}).want(t, http.StatusOK)
	s.queue.take()

	at := func(body string) call { return call{method: http.MethodPost, path: path, body: body} }
	cases := unreadable(http.MethodPost, path)
	delete(cases, "deep nesting") // read as far as it goes and refused for its depth
	maps.Copy(cases, map[string]wrong{
		"an array":       {call: at(`[]`), status: 422, pointers: []string{""}},
		"no object":      {call: at(`{"data":5}`), status: 422, pointers: []string{"/data"}},
		"null":           {call: at(`{"data":null}`), status: 422, pointers: []string{"/data"}},
		"unknown field":  {call: at(`{"colour":1}`), status: 422, pointers: []string{"/colour"}},
		"an id":          {call: at(`{"id":"evt_1","type":"call.completed"}`), status: 422, pointers: []string{"/id", "/type"}},
		"a wrong field":  {call: at(`{"data":` + strings.Replace(data, "inbound", "up", 1) + `}`), status: 422, pointers: []string{"/data/direction"}},
		"another type's": {call: at(`{"data":{"noteId":"n"}}`), status: 422},
		"data too large": {call: at(`{"data":{"x":"` + strings.Repeat("x", 70_000) + `",` + data[1:] + `}`), status: 422},
	})
	refused(t, s, cases)
	s.queue.wantCalls(t)
}

func TestOnlyAnActiveWebhookCanBeTested(t *testing.T) {
	t.Parallel()
	s := start(t)
	disabled, failed := s.create(t), s.create(t)
	s.disable(t, disabled)
	s.fail(t, failed)
	for _, id := range []string{disabled, failed} {
		p := s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/test"}).problem(t, http.StatusConflict)
		if p.Type != "urn:dialnote:problem:webhook-not-active" {
			t.Errorf("got %+v", p)
		}
	}
	foreign := strings.Replace(webhooks, "acme", "globex", 1) + "/" + s.create(t)
	s.queue.take()
	s.do(t, call{method: http.MethodPost, path: foreign + "/test"}).problem(t, http.StatusNotFound)
	s.queue.wantCalls(t)
}

func TestTestWithoutADispatcher(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.queue.set(nil, fault.New(fault.Unavailable, "no-dispatcher", "None."))
	p := s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/test"}).problem(t, http.StatusServiceUnavailable)
	if p.Type != "urn:dialnote:problem:no-dispatcher" {
		t.Errorf("got %+v", p)
	}
}

func TestRedeliverQueuesTheDeliveryAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, change := range map[string]func(*delivery.Attempt){
		"delivered": nil,
		"failed": func(a *delivery.Attempt) {
			a.Outcome = delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonClientError, Message: "No."}
		},
		"skipped": func(a *delivery.Attempt) { a.Number, a.Outcome = 0, delivery.Outcome{Result: delivery.Skipped} },
	} {
		id := s.create(t)
		s.deliver(t, id, exampleDelivery, change)
		if name == "failed" { // one that was disabled automatically holds it
			s.fail(t, id)
		}
		s.queue.take()
		path := webhooks + "/" + id + "/deliveries/" + exampleDelivery + "/redeliver"
		r := s.do(t, call{method: http.MethodPost, path: path}).want(t, http.StatusAccepted)
		if string(r.text) != `{"deliveryId":"`+exampleDelivery+`"}` {
			t.Errorf("%s: answered %s", name, r.text)
		}
		earlier := "1"
		if name == "skipped" {
			earlier = "0"
		}
		s.queue.wantCalls(t, "requeue "+delivery.ID(id, keptEvent)+" of "+keptEvent+" after "+earlier)
		standing, err := s.store.Standings(t.Context(), []string{delivery.ID(id, keptEvent)})
		if err != nil || standing[delivery.ID(id, keptEvent)].Status != delivery.StatusHeld {
			t.Errorf("%s: it stands at %v, %v", name, standing, err)
		}
	}
}

func TestRedeliverRefuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	active, disabled, changed := s.create(t), s.create(t), s.create(t)
	test := func(a *delivery.Attempt) { a.Test, a.EventSequence = true, 0 }
	expired := func(a *delivery.Attempt) { a.EventSequence = 1 }
	another := func(a *delivery.Attempt) { a.EventID = "evt_other" }
	const d2, d3, d4 = "dlv_aaaaaaaaaaaaaaaaaaaaaaaaaa", "dlv_bbbbbbbbbbbbbbbbbbbbbbbbbb", "dlv_cccccccccccccccccccccccccc"
	s.deliver(t, active, exampleDelivery, test)
	s.deliver(t, active, d2, expired)
	s.deliver(t, active, d3, another)
	s.deliver(t, disabled, exampleDelivery, nil)
	s.deliver(t, changed, exampleDelivery, nil)
	s.disable(t, disabled)
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + changed, body: `{"event":"note.created"}`}).want(t, http.StatusOK)
	s.queue.take()
	for name, tc := range map[string]struct {
		path   string
		status int
		code   string
	}{
		"a test":                   {webhooks + "/" + active + "/deliveries/" + exampleDelivery, 409, "test-not-redeliverable"},
		"an expired event":         {webhooks + "/" + active + "/deliveries/" + d2, 404, "event-expired"},
		"another event's sequence": {webhooks + "/" + active + "/deliveries/" + d3, 404, "event-expired"},
		"an unknown delivery":      {webhooks + "/" + active + "/deliveries/" + d4, 404, "delivery-not-found"},
		"another webhook's":        {webhooks + "/" + disabled + "/deliveries/" + d2, 404, "delivery-not-found"},
		"another organization's":   {strings.Replace(webhooks, "acme", "globex", 1) + "/" + active + "/deliveries/" + d2, 404, "webhook-not-found"},
		"a disabled webhook's":     {webhooks + "/" + disabled + "/deliveries/" + exampleDelivery, 409, "webhook-disabled"},
		"another event now":        {webhooks + "/" + changed + "/deliveries/" + exampleDelivery, 409, "event-not-sent"},
	} {
		p := s.do(t, call{method: http.MethodPost, path: tc.path + "/redeliver"}).problem(t, tc.status)
		if p.Type != "urn:dialnote:problem:"+tc.code {
			t.Errorf("%s: %+v", name, p)
		}
	}
	s.queue.wantCalls(t)
}

func TestRecoveryIsMadeSeenAndCancelled(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	list := webhooks + "/" + id + "/recoveries"
	since := s.clock.Now().Add(-time.Hour).UTC()
	body := `{"since":"` + since.Format(time.RFC3339Nano) + `"}`
	s.queue.take()
	made := call{method: http.MethodPost, path: list, body: body, header: map[string]string{"Idempotency-Key": "k1"}}
	r := s.do(t, made).want(t, http.StatusAccepted)
	s.queue.wantCalls(t, "count acme call.completed for "+s.clock.Now().Truncate(time.Microsecond).Sub(since.Truncate(time.Microsecond)).String())
	o := r.object(t)
	rid, _ := o["id"].(string)
	if o["status"] != "running" || o["total"] != 40.0 || o["examined"] != 0.0 || o["dryRun"] != false || o["endedAt"] != nil ||
		r.header.Get("Location") != list+"/"+rid {
		t.Errorf("answered %v", o)
	}
	if again := s.do(t, made).want(t, http.StatusAccepted); string(again.text) != string(r.text) {
		t.Errorf("the same key answers %s", again.text)
	}
	if p := s.do(t, call{method: http.MethodPost, path: list, body: body}).problem(t, http.StatusConflict); p.Type != "urn:dialnote:problem:recovery-running" {
		t.Errorf("a second one: %+v", p)
	}
	if dry := s.do(t, call{method: http.MethodPost, path: list, body: `{"dryRun":true,` + body[1:]}).want(t, http.StatusAccepted).object(t); dry["dryRun"] != true {
		t.Errorf("a dry run: %v", dry)
	}
	if got := s.do(t, call{path: list + "/" + rid}).want(t, http.StatusOK); string(got.text) != string(r.text) {
		t.Errorf("got %s, want %s", got.text, r.text)
	}
	for _, c := range []call{
		{path: webhooks + "/" + s.create(t) + "/recoveries/" + rid},
		{path: strings.Replace(list, "acme", "globex", 1) + "/" + rid},
		{path: list + "/" + exampleRecovery},
	} {
		s.do(t, c).problem(t, http.StatusNotFound)
		c.method = http.MethodDelete
		s.do(t, c).problem(t, http.StatusNotFound)
	}
	for range 2 {
		s.do(t, call{method: http.MethodDelete, path: list + "/" + rid}).want(t, http.StatusNoContent)
	}
	if o := s.do(t, call{path: list + "/" + rid}).want(t, http.StatusOK).object(t); o["status"] != "cancelled" || o["endedAt"] == nil {
		t.Errorf("cancelled: %v", o)
	}
}

func TestRecoveryRefuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	active, disabled := s.create(t), s.create(t)
	s.disable(t, disabled)
	list := webhooks + "/" + active + "/recoveries"
	at := func(body string) call { return call{method: http.MethodPost, path: list, body: body} }
	tomorrow := s.clock.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	cases := unreadable(http.MethodPost, list)
	maps.Copy(cases, map[string]wrong{
		"nothing":              {call: at(`{}`), status: 422, pointers: []string{"/since"}},
		"no time":              {call: at(`{"since":"yesterday"}`), status: 422, pointers: []string{"/since"}},
		"in the future":        {call: at(`{"since":"` + tomorrow + `"}`), status: 422, pointers: []string{"/since"}},
		"nothing in between":   {call: at(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-01T00:00:00Z"}`), status: 422, pointers: []string{"/since"}},
		"before the beginning": {call: at(`{"since":"0001-01-01T00:00:00Z","until":"0001-01-02T00:00:00Z"}`), status: 422, pointers: []string{"/since"}},
		"unknown field":        {call: at(`{"since":"2026-01-01T00:00:00Z","from":1}`), status: 422, pointers: []string{"/from"}},
		"a disabled webhook's": {call: call{method: http.MethodPost, path: webhooks + "/" + disabled + "/recoveries", body: `{"since":"2026-01-01T00:00:00Z"}`}, status: 409},
		"a foreign webhook's":  {call: call{method: http.MethodPost, path: strings.Replace(list, "acme", "globex", 1), body: `{"since":"2026-01-01T00:00:00Z"}`}, status: 404},
	})
	refused(t, s, cases)
	s.do(t, at(`{"since":"0001-01-01T00:00:00Z","until":"`+tomorrow+`"}`)).want(t, http.StatusAccepted)
}
