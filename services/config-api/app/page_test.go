package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// These are the customer's journeys in a browser without scripts.

// page serves the system with a deadline for tests, as the program does.
func page(t *testing.T) *system {
	t.Helper()
	s := start(t)
	return s.serveWith(t, app.Config{
		MaxWebhooks: 3, ZapierHosts: []string{"hooks.zapier.com"}, DeliveryTimeout: time.Second,
	}, s.dependencies())
}

// fill are the fields of a webhook's form.
func fill(name, address string) map[string]string {
	return map[string]string{"name": name, "url": address, "provider": "custom", "event": "call.completed"}
}

// add adds a webhook through the page and returns its id.
func (v *visitor) add(t *testing.T, name string) string {
	t.Helper()
	v.open(t, "/portal/webhooks/new").send(t, "Create webhook", fill(name, "https://crm.example.com/hooks")).want(t, http.StatusOK)
	return strings.Split(v.url.Path, "/")[3]
}

func TestThePageIsForThoseWithALink(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.stranger(t)
	for _, path := range []string{"/portal/", "/portal", "/portal/keys", "/portal/webhooks/new", "/portal/nothing", "/portal/live"} {
		v.open(t, path).want(t, http.StatusUnauthorized).sees(t, "Open this page from dialnote")
	}
	link := s.portalLink(t, "acme", "anna@acme.example")
	v.request(t, http.MethodHead, link, nil).want(t, http.StatusOK) // a preview of the link does not open it
	v.open(t, link).want(t, http.StatusOK).sees(t, "Webhooks", "Zapier Integration")
	v.open(t, link).want(t, http.StatusOK).sees(t, "Zapier Integration") // who is in stays in
	s.stranger(t).open(t, link).want(t, http.StatusUnauthorized).sees(t, "Open this page from dialnote")
	v.open(t, "/portal/nothing").want(t, http.StatusNotFound).sees(t, "There is nothing")
	v.request(t, http.MethodPost, "/portal/leave", nil).want(t, http.StatusUnauthorized)
	v.open(t, "/portal/").want(t, http.StatusUnauthorized)

	late := s.portalLink(t, "acme", "")
	s.clock.advance(time.Hour)
	s.stranger(t).open(t, late).want(t, http.StatusUnauthorized)
	in := s.visit(t, "acme", "")
	s.clock.advance(11 * time.Hour)
	in.open(t, "/portal/").want(t, http.StatusUnauthorized)
}

func TestAddingAWebhook(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna@acme.example").sees(t, "Tell your systems when a call ends", "Send call logs",
		"A call ends — payload includes duration, direction, and status", "Nothing is sent (handy for pausing a webhook without deleting it)")
	v.follow(t, "Add Webhook").sees(t, "Name", "A descriptive label, up to 100 characters", "Provider", "Zapier", "Custom Webhook", "Webhook URL",
		"The HTTPS endpoint where dialnote sends events", "Event Settings", "Send call logs", "Send call recordings", "Send notes", "Disabled",
		"Each webhook sends one event type.")
	v.send(t, "Create webhook", map[string]string{"name": " ", "url": "http://10.0.0.1/", "provider": "zapier"}).
		want(t, http.StatusUnprocessableEntity).sees(t, "The name is required.", "The URL must start with https://.")
	if v.field(t, "url") != "http://10.0.0.1/" || v.field(t, "provider") != "zapier" || v.field(t, "event") != "call.completed" {
		t.Error("what was typed is gone")
	}
	v.send(t, "Create webhook", map[string]string{
		"name": "CRM Call Sync", "url": "https://crm.example.com/hooks", "provider": "custom", "event": "note.created",
	}).want(t, http.StatusOK).sees(t, "Your webhook is ready", "CRM Call Sync", "Node", "Python", "Go", "PHP", "Ruby", "verifyDialNote", "verifyStandard")
	secret := v.element("the-secret")
	if !strings.HasPrefix(secret, "whsec_") {
		t.Fatalf("the secret is %q", secret)
	}
	v.open(t, v.url.Path).sees(t, "Show secret").seesNot(t, secret, "Your webhook is ready")
	v.send(t, "Show secret", nil).sees(t, secret, "It can't be changed")

	v.follow(t, "Webhooks").sees(t, "CRM Call Sync", "Active", "Custom Webhook", "Send notes", "https://crm.example.com/hooks",
		"Last sent Never", "Failure count 0 of 3", "Held events None", "Test", "Edit", "Delete").seesNot(t, "Enable", secret)
	v.follow(t, "Audit log").sees(t, "Webhook added", "Webhook secret shown", "anna@acme.example", "on this page")

	v.open(t, "/portal/webhooks/new").send(t, "Create webhook", map[string]string{"name": "", "url": "https://hooks.zapier.com/hooks/catch/1/a/"}).
		sees(t, "This URL belongs to Zapier: choose the provider Zapier")
	v.send(t, "Create webhook", map[string]string{"provider": "zapier"}).want(t, http.StatusUnprocessableEntity).seesNot(t, "belongs to Zapier")

	v.add(t, "Second")
	v.add(t, "Third")
	v.open(t, "/portal/").sees(t, "You have 3 webhooks, the most an organization can have.")
	v.open(t, "/portal/webhooks/new").send(t, "Create webhook", fill("Fourth", "https://a.example.com/")).want(t, http.StatusConflict)
	if v.field(t, "name") != "Fourth" {
		t.Error("what was typed is gone")
	}
}

func TestEditingAWebhook(t *testing.T) {
	t.Parallel()
	s := page(t)
	v, other := s.visit(t, "acme", "anna"), s.visit(t, "acme", "ben")
	v.add(t, "CRM")
	v.follow(t, "Webhooks").follow(t, "Edit")
	other.open(t, "/portal/").follow(t, "Edit")
	v.send(t, "Save", map[string]string{"name": "CRM, the new one", "event": "disabled"}).
		want(t, http.StatusOK).sees(t, "The webhook was saved.", "CRM, the new one", "Disabled", "Nothing is sent").seesNot(t, "Test")
	v.open(t, "/portal/").seesNot(t, "The webhook was saved.") // it is said once

	other.send(t, "Save", map[string]string{"name": "Ben's"}).want(t, http.StatusPreconditionFailed).sees(t, "This webhook was changed while you edited it.")
	if other.field(t, "name") != "Ben's" {
		t.Error("what was typed is gone")
	}
	other.send(t, "Save", nil).want(t, http.StatusOK).sees(t, "Ben's", "Active")

	v.open(t, "/portal/").follow(t, "Edit").send(t, "Save", map[string]string{"url": "https://user:pw@example.com/"}).
		want(t, http.StatusUnprocessableEntity).sees(t, "The URL")

	// Headers are added, shown by their names only, kept and removed.
	v.open(t, "/portal/").follow(t, "Edit").send(t, "Save", map[string]string{"headerName": "x-make-apikey", "headerValue": "s3cret-value"})
	v.want(t, http.StatusOK).follow(t, "Edit").sees(t, "x-make-apikey")
	if strings.Contains(v.source, "s3cret-value") || v.field(t, "headerValue") != webhook.HeaderMask {
		t.Error("a header's value is shown")
	}
	v.send(t, "Save", map[string]string{"name": "With a header"}).want(t, http.StatusOK)
	if w := s.only(t); len(w.Headers) != 1 || w.Headers[0].Value.Reveal() != "s3cret-value" {
		t.Errorf("the headers are %+v", w.Headers)
	}
	v.follow(t, "Edit").send(t, "Save", map[string]string{"headerRemove": "x-make-apikey"}).want(t, http.StatusOK)
	if w := s.only(t); len(w.Headers) != 0 {
		t.Errorf("the headers are %+v", w.Headers)
	}
	v.follow(t, "Edit").send(t, "Save", map[string]string{"headerName": "Host", "headerValue": "x"}).
		want(t, http.StatusUnprocessableEntity).sees(t, "Host cannot be set")
}

// only returns the organization's one webhook.
func (s *system) only(t *testing.T) webhook.Webhook {
	t.Helper()
	all, err := s.store.All(t.Context(), "acme")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d webhooks, %v", len(all), err)
	}
	return all[0]
}

func TestDeletingAndEnabling(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	s.fail(t, id)
	s.queue.set(map[string]int64{id: 12}, nil)
	v.open(t, "/portal/").sees(t, "Disabled automatically", "It failed 3 times in a row.", "Failure count 3 of 3", "Last error",
		"Server answered 503 Service Unavailable", "Why did it fail?", "Look in your server's log", "Held events 12 events", "After Enable").seesNot(t, "Test")
	v.follow(t, "Enable").sees(t, "12 events happened meanwhile", "Deliver them", "Discard them")
	s.queue.take()
	v.send(t, "Enable", map[string]string{"heldEvents": "discard"}).want(t, http.StatusOK).sees(t, "It sends events from now on.", "Active")
	s.queue.wantCalls(t, "discard "+id, "announce acme "+id)
	s.fail(t, id)
	v.open(t, "/portal/").follow(t, "Enable").send(t, "Enable", nil).sees(t, "Events that were held are on their way.")

	v.follow(t, "Edit").send(t, "Save", map[string]string{"event": "disabled"})
	v.open(t, "/portal/webhooks/"+id+"/enable").send(t, "Enable", nil).want(t, http.StatusConflict).sees(t, "disabled by its event setting")

	v.open(t, "/portal/").follow(t, "Delete").sees(t, "This can't be undone.", "12 events waiting")
	v.send(t, "Delete webhook", nil).want(t, http.StatusOK).sees(t, "The webhook was deleted.", "Tell your systems when a call ends")
	v.open(t, "/portal/webhooks/"+id).want(t, http.StatusNotFound).sees(t, "There is no such webhook")
	v.open(t, "/portal/audit").sees(t, "Webhook deleted")
}

func TestTestingFromThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	s.queue.take()
	v.open(t, "/portal/").send(t, "Test", nil).want(t, http.StatusOK).
		sees(t, "Delivered: your endpoint answered 200 OK in 84 ms", "Request and response", "First byte 48 ms", "cURL", "Test again")
	v.send(t, "Preview the signed request", map[string]string{"data": `{"callSid":"CA-preview","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":7}`}).
		want(t, http.StatusOK).sees(t, "Exactly what would be sent now", "CA-preview", "X-DialNote-Signature", "sha256=", "webhook-signature", "evt_test_")
	if calls := s.queue.take(); len(calls) != 1 {
		t.Errorf("a preview was sent: %q", calls)
	}
	v.send(t, "Send test", map[string]string{"data": `{"callSid":"CA-mine","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":7}`}).want(t, http.StatusOK)
	if calls := s.queue.take(); len(calls) != 1 || !strings.Contains(calls[0], "CA-mine") {
		t.Errorf("asked for %q", calls)
	}
	v.open(t, "/portal/webhooks/"+id+"/test").send(t, "Send test", map[string]string{"data": "{"}).want(t, http.StatusUnprocessableEntity).sees(t, "The data is not JSON")
	v.send(t, "Send test", map[string]string{"data": `{"callSid":5}`}).want(t, http.StatusUnprocessableEntity).sees(t, "callSid")
	if v.field(t, "data") != `{"callSid":5}` {
		t.Error("what was typed is gone")
	}
	v.open(t, "/portal/").follow(t, "Edit").send(t, "Save", map[string]string{"event": "disabled"})
	v.open(t, "/portal/webhooks/"+id+"/test").sees(t, "Only an active webhook can be tested.").send(t, "Send test", nil).want(t, http.StatusConflict)
}

func TestAPreviewHasTheURLThatIsSent(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	v.open(t, "/portal/webhooks/"+id+"/edit").send(t, "Save", map[string]string{"url": "https://CRM.example.com/a%2Fb/|c?d=%zz+[]"}).want(t, http.StatusOK)
	if url := s.only(t).URL; url != "https://CRM.example.com/a%2Fb/|c?d=%zz+[]" {
		t.Errorf("kept as %q", url)
	}
	v.open(t, "/portal/webhooks/"+id+"/test").send(t, "Preview the signed request", nil).want(t, http.StatusOK).
		sees(t, "https://crm.example.com/a%2Fb/%7Cc?d=%zz+[]")
}

func TestTheDeliveryLogOfThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	v.open(t, "/portal/webhooks/"+id).sees(t, "No deliveries yet", "7 days")
	for i := range 60 {
		s.addDelivery(t, id, "evt_"+itoa(i), time.Duration(100+i)*time.Minute, nil)
	}
	s.addDelivery(t, id, "evt_bad", 30*time.Second, failed("Server answered 404 <Not> Found", 6))
	s.addDelivery(t, id, "evt_held", 20*time.Second, notSent(delivery.Deferred, "Waiting: the webhook is on hold."))
	kept := s.addDelivery(t, id, "evt_kept", 10*time.Second, func(a *delivery.Attempt) {
		a.EventSequence = keptSequence
		a.Outcome.RemoteAddr, a.Outcome.SentTwice = "203.0.113.7:443", true
		a.Outcome.Response = delivery.Response{Header: map[string][]string{"Server": {"nginx"}}, HeaderTruncated: true, Body: []byte("<b>fine</b>"), Truncated: true, Encoding: "gzip"}
	})
	v.open(t, "/portal/webhooks/"+id).sees(t, "Delivered", "Failed", "Server answered 404 <Not> Found", "Held", "evt_kept", "9 seconds ago").seesNot(t, "evt_59")
	v.follow(t, "Older").sees(t, "evt_59", "Newest").seesNot(t, "evt_kept")
	v.follow(t, "Newest").sees(t, "evt_kept")

	v.send(t, "Filter", map[string]string{"status": "failed"}).sees(t, "evt_bad").seesNot(t, "evt_kept", "evt_held")
	if v.url.Query().Get("status") != "failed" || v.field(t, "status") != "failed" {
		t.Errorf("the filter is not in the address: %s", v.url)
	}
	v.follow(t, "Clear").send(t, "Filter", map[string]string{"error": "not"}).sees(t, "evt_bad").seesNot(t, "evt_held")
	v.follow(t, "Clear").send(t, "Filter", map[string]string{"within": "1h"}).sees(t, "evt_kept").seesNot(t, "evt_0 ", "Older")
	v.follow(t, "Clear").send(t, "Filter", map[string]string{"event": "evt_7"}).sees(t, "evt_7").seesNot(t, "evt_8")
	v.follow(t, "Clear").send(t, "Filter", map[string]string{"status": "skipped"}).sees(t, "No delivery matches", "Clear the filters")
	v.open(t, "/portal/webhooks/"+id+"?since=yesterday").sees(t, "A time is written like")
	v.open(t, "/portal/webhooks/"+id+"?after=not-a-cursor").want(t, http.StatusOK).sees(t, "evt_kept")

	v.open(t, "/portal/webhooks/"+id+"/deliveries/"+kept).sees(t, "Call ended", "Delivered", "Payload", `"callSid": "CA3f1c5e9a7b2d4806"`, "Attempt 1", "200 OK",
		"First byte 70 ms", "203.0.113.7:443", "Sent twice", "X-DialNote-Signature", "Copy as cURL", "curl -X POST 'https://crm.example.com/hooks'", "nginx", "<b>fine</b>", "cut: the rest was not kept", "not unpacked (Content-Encoding: gzip)", "headers cut: the longest were not kept whole")
	s.queue.take()
	v.send(t, "Redeliver", nil).want(t, http.StatusOK).sees(t, "The delivery is made again.", "Held")
	s.queue.wantCalls(t, "requeue "+kept+" of "+keptEvent+" after 1")
	v.open(t, "/portal/webhooks/"+id+"/deliveries/dlv_none").want(t, http.StatusNotFound)
	old := s.addDelivery(t, id, "evt_old", 5*time.Second, nil)
	v.open(t, "/portal/webhooks/"+id+"/deliveries/"+old).sees(t, "older than events are kept").
		send(t, "Redeliver", nil).want(t, http.StatusNotFound).sees(t, "no longer kept")
}

func TestRecoveringFromThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	s.queue.take()
	v.open(t, "/portal/webhooks/"+id+"/recover").send(t, "Preview", map[string]string{"within": "72h"}).
		want(t, http.StatusOK).sees(t, "Preview of a recovery", "Counting", "0 of 40 events examined", "Cancel")
	if !strings.Contains(v.source, `http-equiv="refresh"`) {
		t.Error("without scripts its progress is not followed")
	}
	s.queue.wantCalls(t, "count acme call.completed for 72h0m0s")
	v.send(t, "Cancel", nil).sees(t, "The recovery was cancelled.", "The preview was cancelled.")
	s.endPreview(t, id, 37)
	v.open(t, "/portal/webhooks/"+id+"/recover").follow(t, "37 missed events would be delivered.").sees(t, "Preview")
	v.send(t, "Recover 37 events", nil).want(t, http.StatusOK).sees(t, "Recovery", "Running")
	v.open(t, "/portal/webhooks/"+id+"/recover").send(t, "Preview", map[string]string{"since": "nonsense"}).want(t, http.StatusUnprocessableEntity).sees(t, "Write the time like")
	v.send(t, "Preview", map[string]string{"since": "2999-01-01T00:00"}).want(t, http.StatusUnprocessableEntity).sees(t, "The start must be before")
	v.open(t, "/portal/audit?action=recovery.started").sees(t, "Recovery started").seesNot(t, "Webhook added anna")
}

// endPreview ends the running preview of a webhook, or a new one, as the
// dispatchers do.
func (s *system) endPreview(t *testing.T, webhookID string, found int64) {
	t.Helper()
	v := s.visit(t, "acme", "")
	v.open(t, "/portal/webhooks/"+webhookID+"/recover").send(t, "Preview", nil)
	r, ok, err := s.store.ClaimRecovery(t.Context(), "test", s.clock.Now(), time.Minute)
	if err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	r.Examined, r.Queued = r.Total, found
	if ok, err := s.store.AdvanceRecovery(t.Context(), "test", r.End(delivery.RecoveryDone, "", s.clock.Now()), s.clock.Now()); err != nil || !ok {
		t.Fatalf("advance: %v, %v", ok, err)
	}
}

func TestTheSignatureChecker(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	other := v.add(t, "Other")
	id := v.add(t, "CRM")
	kept := s.addDelivery(t, id, "evt_1", time.Minute, func(a *delivery.Attempt) {
		a.Test, a.EventSequence = true, 0 // its body is in the log
		a.Body = []byte(`{"id":"evt_1","type":"call.completed","timestamp":"2024-01-15T10:30:00Z","organizationId":"acme","data":{"direction":"inbound"}}`)
	})
	detail := s.do(t, call{path: webhooks + "/" + id + "/deliveries/" + kept}).want(t, http.StatusOK).object(t)
	log, _ := detail["log"].([]any)
	entry, _ := log[0].(map[string]any)
	request, _ := entry["request"].(map[string]any)
	body, _ := request["body"].(string)
	headers, _ := request["headers"].(map[string]any)
	first := func(name string) string {
		values, _ := headers[name].([]any)
		text, _ := values[0].(string)
		return text
	}
	check := func(headers, body string) *visitor {
		return v.open(t, "/portal/webhooks/"+id+"/check").send(t, "Check", map[string]string{"headers": headers, "body": body}).want(t, http.StatusOK)
	}
	check("X-DialNote-Signature: "+first("X-DialNote-Signature"), body).sees(t, "The signature matches")
	check(first("X-DialNote-Signature"), strings.Replace(body, "inbound", "outbound", 1)).sees(t, "The body was changed", "What was sent", "What you pasted", "outbound")
	check(first("X-DialNote-Signature"), body+"\n").sees(t, "white space that was not sent")
	check(strings.TrimPrefix(first("X-DialNote-Signature"), "sha256="), body).sees(t, "The prefix is missing")
	all := ""
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature", "X-DialNote-Signature"} {
		all += name + ": " + first(name) + "\r\n"
	}
	v = check(all, body)
	if strings.Count(v.text(), "The signature matches") != 2 {
		t.Errorf("both signatures: %s", v.text())
	}
	check("Content-Type: application/json", body).sees(t, "There is no signature among these headers")
	if v.field(t, "body") != body {
		t.Error("what was pasted is gone")
	}
	v.open(t, "/portal/webhooks/"+other+"/check").send(t, "Check", map[string]string{"headers": all, "body": body}).
		sees(t, "It is the secret of another webhook", "“CRM”")
	if strings.Contains(v.source, "whsec_") && !strings.Contains(v.source, "whsec_ included") {
		t.Error("a secret is in the page")
	}
}

func TestKeysOfThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna").sees(t, "Zapier Integration", "X-DIALNOTE-API-KEY")
	v.send(t, "Show Key", nil).want(t, http.StatusOK)
	first := v.element("zapier-key")
	v.open(t, "/portal/").seesNot(t, first).send(t, "Show Key", nil)
	if first == "" || v.element("zapier-key") != first {
		t.Errorf("the Zapier key was %q and is %q", first, v.element("zapier-key"))
	}
	v.follow(t, "Rotate key").sees(t, "the old one stops working at once").send(t, "Rotate key", nil).sees(t, "This is the new key.")
	if second := v.element("zapier-key"); second == "" || second == first {
		t.Errorf("rotated to %q", second)
	}

	v.follow(t, "API keys").sees(t, "No API keys yet").send(t, "Create key", map[string]string{"name": ""}).
		want(t, http.StatusUnprocessableEntity).sees(t, "The name is required.")
	v.send(t, "Create key", map[string]string{"name": "Reporting"}).want(t, http.StatusCreated).sees(t, "Your new key “Reporting”", "shown only this once")
	key := v.element("the-key")
	s.do(t, call{path: webhooks, token: key}).want(t, http.StatusOK)
	v.open(t, "/portal/keys").sees(t, "Reporting", "dnk_…"+key[len(key)-4:]).seesNot(t, key)
	v.follow(t, "Revoke").sees(t, "Revoke Reporting?").send(t, "Revoke key", nil).sees(t, "The key was revoked.", "No API keys yet")
	s.do(t, call{path: webhooks, token: key}).want(t, http.StatusUnauthorized)
	v.follow(t, "Audit log").sees(t, "API key revoked", "API key created", "Zapier key rotated", "Zapier key shown")
	v.send(t, "Filter", map[string]string{"action": "api_key.created"}).sees(t, "Reporting")
	if rows := strings.Count(v.text(), "on this page"); rows != 1 {
		t.Errorf("%d rows", rows)
	}
}

// Whatever is another organization's is not there, at every address.
func TestOnePageKnowsNothingOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	s := page(t)
	acme, other := s.visit(t, "acme", "anna"), s.visit(t, "other", "mallory")
	id := acme.add(t, "Secret plans")
	kept := s.addDelivery(t, id, "evt_kept", time.Minute, func(a *delivery.Attempt) { a.EventSequence = keptSequence })
	acme.open(t, "/portal/webhooks/"+id+"/recover").send(t, "Preview", nil)
	recovery := acme.url.Path
	acme.open(t, "/portal/keys").send(t, "Create key", map[string]string{"name": "Acme's"})
	acme.open(t, "/portal/keys")
	revoke := ""
	for n := range acme.page.Descendants() {
		if href := attribute(n, "href"); strings.HasSuffix(href, "/revoke") {
			revoke = href
		}
	}
	hook := "/portal/webhooks/" + id
	for _, path := range []string{
		hook, hook + "/edit", hook + "/delete", hook + "/enable", hook + "/test", hook + "/secret", hook + "/check", hook + "/recover",
		hook + "/deliveries/" + kept, recovery, revoke,
	} {
		other.open(t, path).want(t, http.StatusNotFound).seesNot(t, "Secret plans", "Acme's")
	}
	s.queue.take()
	form := url.Values{"name": {"Mine"}, "url": {"https://evil.example.com/"}, "event": {"call.completed"}, "since": {"2026-01-01T00:00"}, "headers": {"sha256=" + strings.Repeat("0", 64)}, "body": {"{}"}}
	for _, path := range []string{
		hook + "/edit", hook + "/edit/check", hook + "/delete", hook + "/enable", hook + "/test", hook + "/preview", hook + "/secret", hook + "/check", hook + "/recover",
		hook + "/deliveries/" + kept + "/redeliver", recovery + "/cancel", revoke,
	} {
		other.request(t, http.MethodPost, path, form).want(t, http.StatusNotFound).seesNot(t, "Secret plans")
	}
	if calls := s.queue.take(); len(calls) != 0 {
		t.Errorf("asked the queue for %q", calls)
	}
	other.open(t, "/portal/").seesNot(t, "Secret plans")
	other.open(t, "/portal/audit").seesNot(t, "Secret plans", "anna", id)
	other.open(t, "/portal/audit?webhook="+id).sees(t, "Nothing to show")
	acme.open(t, "/portal/").sees(t, "Secret plans")
}

func TestAnotherSiteCannotUseThePage(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	for name, header := range map[string]http.Header{
		"a form of another site":    {"Sec-Fetch-Site": {"cross-site"}},
		"a form of a neighbour":     {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://evil.example.com"}},
		"a form of an old browser":  {"Origin": {"https://evil.example.com"}},
		"a form of a sandbox frame": {"Origin": {"null"}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/portal/webhooks/"+id+"/delete", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		resp, err := v.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
	v.open(t, "/portal/").sees(t, "CRM")
	policy := v.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy has no %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || v.header.Get("Cache-Control") != "no-store" {
		t.Errorf("policy %s, cache %s", policy, v.header.Get("Cache-Control"))
	}
}

func TestThePageSaysWhatDoesNotWork(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	s.queue.set(nil, errAway)
	v.open(t, "/portal/").want(t, http.StatusOK).sees(t, "CRM", "Not known at the moment")
	v.open(t, "/portal/webhooks/"+id+"/test").send(t, "Send test", nil).want(t, http.StatusInternalServerError).
		sees(t, "Something went wrong on our side", "Request").seesNot(t, errAway.Error())
	if !strings.Contains(s.log.String(), errAway.Error()) {
		t.Error("the log does not say why")
	}
	v.request(t, http.MethodPost, "/portal/keys", url.Values{"name": {strings.Repeat("x", 2<<20)}}).want(t, http.StatusRequestEntityTooLarge)
}

func TestThePageTakesATheme(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	v.open(t, "/portal/?theme=dark&accent=%237c3aed")
	if !strings.Contains(v.source, `data-scheme="dark"`) || !strings.Contains(v.source, `/portal/accent.css?accent=7c3aed"`) {
		t.Error("the theme is not applied")
	}
	v.open(t, "/portal/keys")
	if !strings.Contains(v.source, `data-scheme="dark"`) {
		t.Error("the theme is forgotten")
	}
	v.open(t, "/portal/accent.css?accent=7c3aed")
	if !strings.Contains(v.source, "--accent:light-dark(#") || v.header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("the style sheet is %q", v.source)
	}
	for _, evil := range []string{"red;}body{display:none", "7c3ae", "7c3aed%22%3E%3Cscript%3E", "zzzzzz"} {
		v.open(t, "/portal/?theme=%22onload%3D&accent="+evil)
		if strings.Contains(v.source, "accent.css") || strings.Contains(v.source, "data-scheme") {
			t.Errorf("the accent %q is taken", evil)
		}
		if v.open(t, "/portal/accent.css?accent="+evil); v.source != "" {
			t.Errorf("the accent %q makes %q", evil, v.source)
		}
	}
}

func TestADeliveryWithManyAttemptsIsShownInPages(t *testing.T) {
	t.Parallel()
	s := page(t)
	v := s.visit(t, "acme", "anna")
	id := v.add(t, "CRM")
	var shown string
	for i := range 101 {
		shown = s.addDelivery(t, id, "evt_1", time.Hour-time.Duration(i)*time.Second, func(a *delivery.Attempt) { a.Number = i + 1 })
	}
	path := "/portal/webhooks/" + id + "/deliveries/" + shown
	v.open(t, path).want(t, http.StatusOK).sees(t, "Attempt 101", "Attempt 2").follow(t, "Older").want(t, http.StatusOK).
		sees(t, "Attempt 1").seesNot(t, "Attempt 2", "Older").follow(t, "Newest").sees(t, "Attempt 101")
	v.open(t, path+"?after=x").follow(t, "Older") // an address that was changed by hand
}
