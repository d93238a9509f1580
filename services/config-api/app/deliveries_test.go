package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// addDelivery records one row of the delivery of an event to a webhook, begun so
// long ago, and returns the delivery's id.
func (s *system) addDelivery(t *testing.T, webhookID, eventID string, ago time.Duration, change func(*delivery.Attempt)) string {
	t.Helper()
	id := delivery.ID(webhookID, eventID)
	s.deliver(t, webhookID, id, func(a *delivery.Attempt) {
		a.EventID = eventID
		a.StartedAt = s.clock.Now().Add(-ago)
		a.EndedAt = a.StartedAt.Add(80 * time.Millisecond)
		a.Outcome.Phases = delivery.Phases{FirstByte: 70 * time.Millisecond, Total: 80 * time.Millisecond}
		if change != nil {
			change(a)
		}
	})
	return id
}

func failed(message string, number int) func(*delivery.Attempt) {
	return func(a *delivery.Attempt) {
		a.Number = number
		a.Outcome = delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonClientError, StatusCode: 404, Message: message}
	}
}

func notSent(result delivery.Result, message string) func(*delivery.Attempt) {
	return func(a *delivery.Attempt) {
		a.Number, a.EndedAt, a.Outcome = 0, a.StartedAt, delivery.Outcome{Result: result, Message: message}
	}
}

// listed returns the ids on all pages of a list of deliveries.
func (s *system) listed(t *testing.T, path string, query url.Values) []string {
	t.Helper()
	ids := []string{}
	for {
		o := s.do(t, call{path: path + "?" + query.Encode()}).want(t, http.StatusOK).object(t)
		data, _ := o["data"].([]any)
		for _, item := range data {
			d, _ := item.(map[string]any)
			id, _ := d["id"].(string)
			ids = append(ids, id)
		}
		next, more := o["nextCursor"].(string)
		if !more {
			return ids
		}
		query.Set("cursor", next)
	}
}

func TestDeliveriesAreFiltered(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	path := webhooks + "/" + hook + "/deliveries"
	delivered := s.addDelivery(t, hook, "evt_1", 6*time.Minute, nil)
	retrying := s.addDelivery(t, hook, "evt_2", 5*time.Minute, failed("Server answered 404 Not Found", 1))
	held := s.addDelivery(t, hook, "evt_3", 4*time.Minute, notSent(delivery.Deferred, "Held: 100% of it"))
	gaveUp := s.addDelivery(t, hook, "evt_4", 3*time.Minute, failed("The certificate's name is wrong_", 6))
	skipped := s.addDelivery(t, hook, "evt_5", 2*time.Minute, notSent(delivery.Skipped, "Skipped."))
	note := s.addDelivery(t, hook, "evt_6", time.Minute, func(a *delivery.Attempt) { a.EventType, a.Test = event.NoteCreated, true })
	other := s.create(t)
	s.addDelivery(t, other, "evt_1", time.Minute, nil)
	now := delivery.Recordable(s.clock.Now())
	at := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339Nano) }

	for name, tc := range map[string]struct {
		query string
		want  []string
	}{
		"all":               {"", []string{note, skipped, gaveUp, held, retrying, delivered}},
		"pages":             {"limit=1", []string{note, skipped, gaveUp, held, retrying, delivered}},
		"delivered":         {"status=delivered", []string{note, delivered}},
		"retrying":          {"status=retrying", []string{retrying}},
		"held":              {"status=held", []string{held}},
		"failed":            {"status=failed", []string{gaveUp}},
		"skipped":           {"status=skipped", []string{skipped}},
		"type":              {"eventType=note.created", []string{note}},
		"another type":      {"eventType=recording.completed", []string{}},
		"event":             {"eventId=evt_3", []string{held}},
		"another event":     {"eventId=evt_33", []string{}},
		"delivery":          {"deliveryId=" + retrying, []string{retrying}},
		"another's":         {"deliveryId=" + delivery.ID(other, "evt_1"), []string{}},
		"both agree":        {"eventId=evt_2&deliveryId=" + retrying, []string{retrying}},
		"both disagree":     {"eventId=evt_2&deliveryId=" + held, []string{}},
		"since":             {"since=" + url.QueryEscape(at(3*time.Minute)), []string{note, skipped, gaveUp}},
		"until":             {"until=" + url.QueryEscape(at(5*time.Minute)), []string{delivered}},
		"between":           {"since=" + url.QueryEscape(at(5*time.Minute)) + "&until=" + url.QueryEscape(at(3*time.Minute)), []string{held, retrying}},
		"with an offset":    {"since=" + url.QueryEscape(now.Add(-2*time.Minute).In(time.FixedZone("", 5400)).Format(time.RFC3339Nano)), []string{note, skipped}},
		"never":             {"until=0001-01-01T00:00:00Z", []string{}},
		"for ever":          {"since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z&limit=100", []string{note, skipped, gaveUp, held, retrying, delivered}},
		"text":              {"error=NOT+found", []string{retrying}},
		"text of two":       {"error=s", []string{skipped, gaveUp, retrying}},
		"text and status":   {"error=s&status=failed", []string{gaveUp}},
		"percent":           {"error=%25", []string{held}},
		"underscore":        {"error=_", []string{gaveUp}},
		"quote":             {"error='", []string{gaveUp}},
		"exclamation":       {"error=!", []string{}},
		"backslash":         {`error=%5C`, []string{}},
		"statement":         {"error=%27%3B+DROP+TABLE+attempts%3B--", []string{}},
		"NUL":               {"error=%00", []string{}},
		"broken UTF-8":      {"error=%ff", []string{}},
		"all at once":       {"status=failed&eventType=call.completed&eventId=evt_4&error=certificate&limit=1&since=" + url.QueryEscape(at(time.Hour)), []string{gaveUp}},
		"all but one right": {"status=held&eventType=call.completed&eventId=evt_4&error=certificate", []string{}},
	} {
		query, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.listed(t, path, query); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestWrongFiltersAreNamed(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	cases := map[string]wrong{}
	for query, parameter := range map[string]string{
		"status=sent": "status", "eventType=disabled": "eventType", "eventId=a.b": "eventId", "deliveryId=dlv_1": "deliveryId",
		"since=yesterday": "since", "until=2026-11-02": "until", "error=": "error", "error=" + strings.Repeat("x", 201): "error",
		"limit=0": "limit", "limit=101": "limit", "cursor=x": "cursor", "colour=red": "colour", "status=held&status=held": "status",
		"cursor=" + base64.RawURLEncoding.EncodeToString([]byte("1"+base64.RawURLEncoding.EncodeToString([]byte("1 wh_1")))): "cursor",
	} {
		cases[query] = wrong{call: call{path: webhooks + "/" + hook + "/deliveries?" + query}, status: 400, pointers: []string{parameter}}
	}
	for _, window := range []string{"0h", "169h", "024h", "24", "h", "-1h", "24h ", "1.5h", "200h"} {
		cases["window "+window] = wrong{call: call{path: webhooks + "/" + hook + "/stats?window=" + url.QueryEscape(window)}, status: 400, pointers: []string{"window"}}
	}
	refused(t, s, cases)
}

func TestDeliveryPagesWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	path := webhooks + "/" + hook + "/deliveries?limit=2"
	var want []string
	for i := range 7 {
		want = append([]string{s.addDelivery(t, hook, fmt.Sprintf("evt_%d", i), time.Hour-time.Duration(i)*time.Second, failed("No.", 1))}, want...)
	}
	var got []string
	for next := path; next != ""; {
		o := s.do(t, call{path: next}).want(t, http.StatusOK).object(t)
		for _, item := range o["data"].([]any) {
			got = append(got, item.(map[string]any)["id"].(string))
		}
		s.addDelivery(t, hook, fmt.Sprintf("evt_new_%d", len(got)), 0, nil)
		s.addDelivery(t, hook, "evt_6", 0, nil) // it was on the first page
		if next = ""; o["nextCursor"] != nil {
			next = path + "&cursor=" + o["nextCursor"].(string)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOneDelivery(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	id := s.addDelivery(t, hook, keptEvent, time.Hour, failed("Server answered 404 Not Found", 1))
	s.addDelivery(t, hook, keptEvent, 30*time.Minute, notSent(delivery.Deferred, "Held."))
	s.addDelivery(t, hook, keptEvent, 10*time.Minute, func(a *delivery.Attempt) {
		a.Number, a.Outcome.RemoteAddr, a.Outcome.SentTwice = 2, "203.0.113.7:443", true
		a.Outcome.Response = delivery.Response{Header: map[string][]string{"X-A": {"1", "2"}}, HeaderTruncated: true, Body: []byte("caf\xc3\xa9 \xff\x00"), Truncated: true, Encoding: "br"}
	})
	r := s.do(t, call{path: webhooks + "/" + hook + "/deliveries/" + id}).want(t, http.StatusOK)
	o := r.object(t)
	for field, want := range map[string]any{
		"id": id, "webhookId": hook, "eventId": keptEvent, "eventType": "call.completed", "status": "delivered", "test": false,
		"attempts": 2.0, "statusCode": 200.0, "durationMs": 80.0, "message": nil, "reason": nil, "nextAttemptAt": nil, "payload": "kept",
		"firstAttemptAt": s.clock.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano),
	} {
		if o[field] != want {
			t.Errorf("%s is %v, want %v", field, o[field], want)
		}
	}
	log, _ := o["log"].([]any)
	if len(log) != 3 {
		t.Fatalf("%d entries: %s", len(log), r.text)
	}
	second, held, first := log[0].(map[string]any), log[1].(map[string]any), log[2].(map[string]any)
	if held["request"] != nil || held["number"] != 0.0 || held["status"] != "held" || held["message"] != "Held." || held["phases"] != nil {
		t.Errorf("held: %v", held)
	}
	if first["succeeded"] != false || first["reason"] != "client_error" || first["nextAttemptAt"] == nil || first["status"] != "retrying" {
		t.Errorf("first: %v", first)
	}
	response := second["response"].(map[string]any)
	if second["succeeded"] != true || second["sentTwice"] != true || first["sentTwice"] != nil || second["remoteAddress"] != "203.0.113.7:443" || response["body"] != "café \uFFFD\x00" || response["truncated"] != true ||
		fmt.Sprint(response["headers"]) != "map[X-A:[1 2]]" || fmt.Sprint(second["phases"]) != "map[firstByte:70 total:80]" {
		t.Errorf("second: %v", second)
	}
	if response["bodyBase64"] != "Y2Fmw6kg/wA=" || response["contentEncoding"] != "br" || response["headersTruncated"] != true {
		t.Errorf("second: the response is %v", response)
	}
	refused := first["response"].(map[string]any)
	for _, field := range []string{"bodyBase64", "contentEncoding", "headersTruncated"} {
		if _, there := refused[field]; there {
			t.Errorf("first: %s is in %v", field, refused)
		}
	}
	s.wantSigned(t, hook, second, id)
	shared, again := second["request"].(map[string]any), first["request"].(map[string]any)
	if again["body"] != nil {
		t.Errorf("the body is there twice: %v", again)
	}
	again["body"] = shared["body"]
	s.wantSigned(t, hook, first, id)
}

// A log that is too large for one answer is read page by page, and each page has the
// body once.
func TestALargeDeliveryIsReadInPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	const attempts = 100
	id := ""
	for i := range attempts {
		id = s.addDelivery(t, hook, keptEvent, time.Hour-time.Duration(i)*time.Second, func(a *delivery.Attempt) {
			a.Number, a.Outcome.Response.Body = i+1, bytes.Repeat([]byte{0}, 4096)
		})
	}
	path := webhooks + "/" + hook + "/deliveries/" + id
	var numbers []float64
	for next := path; next != ""; {
		o := s.do(t, call{path: next}).want(t, http.StatusOK).object(t)
		bodies := 0
		for _, item := range o["log"].([]any) {
			entry := item.(map[string]any)
			numbers = append(numbers, entry["number"].(float64))
			if entry["request"].(map[string]any)["body"] != nil {
				bodies++
			}
		}
		if bodies != 1 {
			t.Errorf("a page with %d bodies", bodies)
		}
		if next = ""; o["nextCursor"] != nil {
			next = path + "?cursor=" + o["nextCursor"].(string)
		}
	}
	if len(numbers) != attempts || !slices.IsSortedFunc(numbers, func(a, b float64) int { return cmp.Compare(b, a) }) {
		t.Errorf("read the attempts %v", numbers)
	}
	s.do(t, call{path: path + "?cursor=MXg"}).problem(t, http.StatusBadRequest)
}

// wantSigned fails the test unless the request of an entry is one that the
// receiver could have verified.
func (s *system) wantSigned(t *testing.T, hook string, entry map[string]any, deliveryID string) {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme", hook)
	if err != nil {
		t.Fatal(err)
	}
	request := entry["request"].(map[string]any)
	header := request["headers"].(map[string]any)
	body, _ := request["body"].(string)
	one := func(name string) string {
		values, _ := header[name].([]any)
		if len(values) != 1 {
			t.Fatalf("%s is %v in %v", name, values, header)
		}
		return values[0].(string)
	}
	at, err := time.Parse(time.RFC3339Nano, entry["startedAt"].(string))
	if err != nil {
		t.Fatal(err)
	}
	standard, err := signature.Standard(w.Secret.Reveal(), one("webhook-id"), at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if one("X-DialNote-Signature") != signature.DialNote(w.Secret.Reveal(), []byte(body)) || one("webhook-signature") != standard {
		t.Errorf("not signed: %v", request)
	}
	if one("webhook-timestamp") != fmt.Sprint(at.Unix()) || one("X-DialNote-Delivery") != deliveryID || one("X-DialNote-Event") != "call.completed" ||
		one("Content-Type") != "application/json" || !strings.HasPrefix(one("User-Agent"), "DialNote-Webhooks/") || header["X-DialNote-Provider"] != nil {
		t.Errorf("headers: %v", header)
	}
	if !strings.HasPrefix(body, `{"id":"evt_`) || request["url"] != w.URL {
		t.Errorf("sent %v", request)
	}
}

func TestADeliveryWhoseBodyCannotBeShown(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	expired := s.addDelivery(t, hook, "evt_old", time.Hour, func(a *delivery.Attempt) { a.EventSequence = 3 })
	// The stream was made again: another event has the sequence now.
	replaced := s.addDelivery(t, hook, "evt_other", time.Hour, nil)
	kept := s.addDelivery(t, hook, keptEvent, time.Hour, nil)
	test := s.addDelivery(t, hook, "evt_test_1", time.Hour, func(a *delivery.Attempt) {
		a.Test, a.EventSequence, a.Body = true, 0, []byte(`{"id":"evt_test_1"}`)
	})
	get := func(id, payload string) map[string]any {
		o := s.do(t, call{path: webhooks + "/" + hook + "/deliveries/" + id}).want(t, http.StatusOK).object(t)
		if o["payload"] != payload {
			t.Errorf("payload %v, want %s", o["payload"], payload)
		}
		return o["log"].([]any)[0].(map[string]any)
	}
	without := func(id, payload string) {
		request := get(id, payload)["request"].(map[string]any)
		header := request["headers"].(map[string]any)
		if request["body"] != nil || header["X-DialNote-Signature"] != nil || header["webhook-signature"] != nil || header["webhook-id"] == nil {
			t.Errorf("%s: %v", payload, request)
		}
	}
	without(expired, "expired")
	without(replaced, "expired")
	s.wantSigned(t, hook, get(kept, "kept"), kept)
	s.queue.set(nil, errAway)
	without(kept, "unavailable")
	s.wantSigned(t, hook, get(test, "kept"), test)
}

func TestDeliveriesOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	s := start(t)
	hook := s.create(t)
	id := s.addDelivery(t, hook, keptEvent, time.Hour, nil)
	foreign := strings.Replace(webhooks, "acme", "globex", 1) + "/"
	for _, path := range []string{"/deliveries", "/deliveries/" + id, "/stats"} {
		if p := s.do(t, call{path: foreign + hook + path}).problem(t, http.StatusNotFound); p.Type != "urn:dialnote:problem:webhook-not-found" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	// Nor through a webhook of its own, or another webhook of the same.
	own, _ := s.do(t, call{method: http.MethodPost, path: strings.TrimSuffix(foreign, "/"), body: good}).want(t, http.StatusCreated).object(t)["id"].(string)
	for _, path := range []string{foreign + own, webhooks + "/" + s.create(t)} {
		if p := s.do(t, call{path: path + "/deliveries/" + id}).problem(t, http.StatusNotFound); p.Type != "urn:dialnote:problem:delivery-not-found" {
			t.Errorf("%+v", p)
		}
	}
	s.do(t, call{path: webhooks + "/" + hook + "/deliveries/" + id}).want(t, http.StatusOK)
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + hook}).want(t, http.StatusNoContent)
	s.do(t, call{path: webhooks + "/" + hook + "/deliveries"}).problem(t, http.StatusNotFound)
	s.do(t, call{path: webhooks + "/" + hook + "/deliveries/" + id}).problem(t, http.StatusNotFound)
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.clock.now = time.Date(2046, 11, 2, 9, 30, 0, 0, time.UTC)
	hook := s.create(t)
	for i := range 3 {
		s.addDelivery(t, hook, fmt.Sprintf("evt_%d", i), time.Minute, nil)
	}
	s.addDelivery(t, hook, "evt_3", time.Hour, failed("No.", 1))
	s.addDelivery(t, hook, "evt_4", time.Hour, notSent(delivery.Skipped, "Skipped."))
	s.addDelivery(t, hook, "evt_5", time.Hour, notSent(delivery.Deferred, "Held."))
	s.addDelivery(t, hook, "evt_6", 23*time.Hour+40*time.Minute, nil) // in the hour before the first
	s.addDelivery(t, hook, "evt_7", time.Minute, func(a *delivery.Attempt) { a.Test = true })

	path := webhooks + "/" + hook + "/stats"
	o := s.do(t, call{path: path}).want(t, http.StatusOK).object(t)
	hours, _ := o["hours"].([]any)
	if o["window"] != "24h" || len(hours) != 24 || fmt.Sprint(o["reasons"]) != "map[client_error:1]" {
		t.Errorf("got %v", o)
	}
	for i, want := range map[int]string{
		0:  "map[delivered:0 failed:0 skipped:0 start:2046-11-01T10:00:00Z]",
		22: "map[delivered:0 failed:1 skipped:1 start:2046-11-02T08:00:00Z]",
		23: "map[delivered:3 failed:0 skipped:0 start:2046-11-02T09:00:00Z]",
	} {
		if got := fmt.Sprint(hours[i]); got != want {
			t.Errorf("hour %d: %s, want %s", i, got, want)
		}
	}
	if got := fmt.Sprint(o["latency"]); got != "map[p50:80 p95:80 p99:80]" {
		t.Errorf("latency %s", got)
	}
	for window, n := range map[string]int{"1h": 1, "9h": 9, "72h": 72, "99h": 99, "159h": 159, "168h": 168} {
		o := s.do(t, call{path: path + "?window=" + window}).want(t, http.StatusOK).object(t)
		if hours, _ := o["hours"].([]any); o["window"] != window || len(hours) != n {
			t.Errorf("%s: %d hours of %v", window, len(hours), o["window"])
		}
	}
	empty := s.do(t, call{path: webhooks + "/" + s.create(t) + "/stats?window=1h"}).want(t, http.StatusOK)
	if want := `"reasons":{},"window":"1h"}`; !strings.HasSuffix(string(empty.text), want) || !strings.Contains(string(empty.text), `"latency":{"p50":null,"p95":null,"p99":null}`) {
		t.Errorf("without attempts: %s", empty.text)
	}
}

func TestWhatIsDiscardedIsSkippedInTheLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	waiting := func(hook string) {
		s.addDelivery(t, hook, "evt_1", time.Hour, notSent(delivery.Deferred, "Held."))
		s.addDelivery(t, hook, "evt_2", time.Hour, failed("No.", 1))
		s.addDelivery(t, hook, "evt_3", time.Hour, nil)
	}
	want := func(hook, status string, n int) {
		t.Helper()
		if got := s.listed(t, webhooks+"/"+hook+"/deliveries", url.Values{"status": {status}}); len(got) != n {
			t.Errorf("%d are %s, want %d", len(got), status, n)
		}
	}
	enabled := s.create(t)
	waiting(enabled)
	s.fail(t, enabled)
	enable := call{method: http.MethodPost, path: webhooks + "/" + enabled + "/enable", body: `{"heldEvents":"deliver"}`}
	s.do(t, enable).want(t, http.StatusOK)
	want(enabled, "skipped", 0)
	s.fail(t, enabled)
	enable.body = `{"heldEvents":"discard"}`
	s.do(t, enable).want(t, http.StatusOK)
	want(enabled, "skipped", 2)
	want(enabled, "delivered", 1)
	list := s.do(t, call{path: webhooks + "/" + enabled + "/deliveries?status=skipped&eventId=evt_2"}).want(t, http.StatusOK).object(t)
	if d := list["data"].([]any)[0].(map[string]any); d["attempts"] != 1.0 || d["reason"] != "client_error" || !strings.HasPrefix(d["message"].(string), "Skipped: ") {
		t.Errorf("got %v", d)
	}

	disabled := s.create(t)
	waiting(disabled)
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + disabled, body: `{"name":"Still on"}`}).want(t, http.StatusOK)
	want(disabled, "skipped", 0)
	patch := call{method: http.MethodPatch, path: webhooks + "/" + disabled, body: `{"event":"disabled"}`}
	s.do(t, patch).want(t, http.StatusOK)
	want(disabled, "skipped", 2)
	s.do(t, patch).want(t, http.StatusOK)
	want(disabled, "skipped", 2)

	// No dispatcher reads on from the place of an ordered webhook that sends
	// another event, so the API records the skipped deliveries; a lane is read to
	// its end, and its reader records them.
	for body, skipped := range map[string]int{strings.TrimSuffix(good, "}") + `,"ordered":true}`: 2, good: 0} {
		changed, _ := s.do(t, call{method: http.MethodPost, path: webhooks, body: body}).want(t, http.StatusCreated).object(t)["id"].(string)
		waiting(changed)
		for _, change := range []string{`{"name":"Still on"}`, `{"event":"call.completed"}`} {
			s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + changed, body: change}).want(t, http.StatusOK)
			want(changed, "skipped", 0)
		}
		s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + changed, body: `{"event":"note.created"}`}).want(t, http.StatusOK)
		want(changed, "skipped", skipped)
	}
}

func TestADatabaseThatIsAwayWhileSkipping(t *testing.T) {
	t.Parallel()
	s := start(t)
	deps := s.dependencies()
	deps.Store = noSkip{deps.Store}
	s = s.serve(t, deps)
	hook := s.create(t)
	s.fail(t, hook)
	s.do(t, call{method: http.MethodPost, path: webhooks + "/" + hook + "/enable", body: `{"heldEvents":"discard"}`}).problem(t, http.StatusServiceUnavailable)
	w, err := s.store.Get(t.Context(), "acme", hook)
	if err != nil || w.Status() != webhook.StatusAutoDisabled {
		t.Errorf("it was enabled all the same: %v, %v", w.Status(), err)
	}
}

type noSkip struct{ app.Store }

func (noSkip) SkipHeld(context.Context, string, string, time.Time, string) (int64, error) {
	return 0, fault.New(fault.Unavailable, "database-unavailable", "away")
}
