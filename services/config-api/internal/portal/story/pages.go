package story

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/proto/receivers"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

func logged(n int, s delivery.Status, attempts, code int, took, past time.Duration, reason delivery.Reason, message string) store.LoggedDelivery {
	return store.LoggedDelivery{
		ID: deliveryID(n), WebhookID: active().ID, EventID: eventID(n),
		EventType: event.CallCompleted, Status: s, Message: message, UpdatedAt: ago(past), Attempts: attempts,
		FirstAttemptAt: ago(past + time.Minute), LastAttemptAt: ago(past + took), StatusCode: code, Duration: took, Reason: reason,
	}
}

func deliveryID(n int) string { return fmt.Sprintf("dlv_4rjk2m3v5ew6dq7npx2mtz5h%02d", n) }

func eventID(n int) string { return fmt.Sprintf("evt_01jd9v7q6w3k8m5n2p4r6t8v%02d", n) }

// everyRow returns a row of each kind, newest first.
func everyRow() []view.Row {
	retrying := logged(2, delivery.StatusRetrying, 2, 503, 310*time.Millisecond, 48*time.Second, delivery.ReasonServerError, "Server answered 503 Service Unavailable")
	retrying.NextAt = clock().Now.Add(4*time.Minute + 12*time.Second)
	test := logged(7, delivery.StatusDelivered, 1, 200, 84*time.Millisecond, 40*time.Minute, "", "")
	test.Test, test.EventID = true, "evt_test_01jd9v7q6w3k8m5n2p4r6t8v07"
	longID := logged(8, delivery.StatusDelivered, 1, 204, 61*time.Millisecond, 3*time.Hour, "", "")
	longID.EventID = "an-event-id-that-a-publisher-chose-and-that-goes-on-and-on-and-on-without-any-place-to-break-it-anywhere"
	all := []store.LoggedDelivery{
		logged(1, delivery.StatusDelivered, 1, 200, 84*time.Millisecond, 2*time.Minute, "", ""),
		retrying,
		logged(3, delivery.StatusHeld, 0, 0, 0, 70*time.Second, "", "Held: the webhook is paused after a failure and will be tried again soon."),
		logged(4, delivery.StatusFailed, 6, 404, 120*time.Millisecond, 5*time.Hour, delivery.ReasonClientError, "Server answered 404 Not Found"),
		logged(5, delivery.StatusSkipped, 0, 0, 0, 6*time.Hour, "", "The webhook no longer sends this event."),
		logged(6, delivery.StatusDelivered, 3, 200, 1240*time.Millisecond, 26*time.Hour, "", ""),
		test, longID,
		logged(9, delivery.StatusFailed, 6, 0, 30*time.Second, 50*time.Hour, delivery.ReasonTimeout, "No answer within 30 seconds"),
	}
	slices.SortStableFunc(all, func(a, b store.LoggedDelivery) int { return b.UpdatedAt.Compare(a.UpdatedAt) })
	var rows []view.Row
	for _, d := range all {
		rows = append(rows, view.RowOf(d, paused(), clock()))
	}
	return rows
}

func filter(status delivery.Status) view.Filter {
	f := view.Filter{Status: string(status), Active: status != ""}
	for _, s := range view.DeliveryStatuses() {
		f.Statuses = append(f.Statuses, view.Choice{Value: string(s), Label: view.DeliveryBadge(s).Text, Chosen: s == status})
	}
	for _, t := range event.Types() {
		f.Types = append(f.Types, view.Choice{Value: string(t), Label: view.EventLabel(t)})
	}
	for _, w := range view.Withins() {
		f.Withins = append(f.Withins, view.Choice{Value: w.Value, Label: w.Label})
	}
	return f
}

// entry is one of a delivery's log, of an event that happened so long ago.
func entry(number int, past time.Duration, o delivery.Outcome, status delivery.Status, happened time.Duration) manage.EntryView {
	e := event.Sample(event.CallCompleted, "acme", eventID(1), ago(happened))
	v := manage.EntryView{LoggedAttempt: store.LoggedAttempt{Attempt: delivery.Attempt{
		ID: fmt.Sprintf("att_%d%d", number, int(past)), Number: number, StartedAt: ago(past), EndedAt: ago(past - o.Phases.Total), Outcome: o,
	}, Status: status}}
	if number > 0 {
		v.Request = &delivery.Request{URL: "https://crm.acme.example/hooks/dialnote", Header: signedHeaders(e.ID, ago(past)), Body: e.Body()}
	}
	return v
}

func logStories() []Story {
	frame := tab("webhooks")
	head := view.HeadOf(active(), "")
	log := func(l view.Log) view.Log {
		l.Head, l.Kept, l.Zone, l.Here = head, "7 days", "UTC", "/portal/webhooks/x"
		return l
	}
	held := delivery.Outcome{Result: delivery.Deferred, Message: "Held: the webhook is paused after a failure and will be tried again soon."}
	timeout := delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonTimeout, Message: "No answer within 30 seconds", Phases: delivery.Phases{Resolve: 2 * time.Millisecond, Connect: 9 * time.Millisecond, TLS: 25 * time.Millisecond, Total: 30 * time.Second}, RemoteAddr: "203.0.113.7:443"}
	hostileAnswer := answered(503, "<script>alert('body')</script>\n\u202egnp.exe\u202c \xff\xfe not UTF-8, and a very long line: "+strings.Repeat("abcdefghij", 60), 5*time.Hour)
	hostileAnswer.Response.Truncated = true
	hostileAnswer.Response.Header["X-Evil"] = []string{`"><img src=x onerror=alert(1)>`}
	packedAnswer := answered(503, "\x8b\x0c\x80<html>\x00\xff\x1a\x03 503 from a proxy that packs by a method of its own", 5*time.Hour)
	packedAnswer.Response.Encoding, packedAnswer.Response.HeaderTruncated = "br", true
	delivered := manage.DeliveryView{LoggedDelivery: logged(1, delivery.StatusDelivered, 2, 200, 84*time.Millisecond, 2*time.Minute, "", ""), Payload: manage.PayloadKept, Entries: []manage.EntryView{
		entry(2, 2*time.Minute, answered(200, `{"received":true,"id":4711}`, 2*time.Minute), delivery.StatusDelivered, 8*time.Minute),
		entry(0, 5*time.Minute, held, delivery.StatusHeld, 8*time.Minute),
		entry(1, 7*time.Minute, timeout, delivery.StatusRetrying, 8*time.Minute),
	}}
	failedOne := manage.DeliveryView{LoggedDelivery: logged(1, delivery.StatusFailed, 1, 503, 120*time.Millisecond, 5*time.Hour, delivery.ReasonServerError, "Server answered 503 Service Unavailable"), Payload: manage.PayloadKept, Entries: []manage.EntryView{entry(1, 5*time.Hour, hostileAnswer, delivery.StatusFailed, 5*time.Hour)}}
	packedOne := manage.DeliveryView{LoggedDelivery: logged(1, delivery.StatusFailed, 1, 503, 120*time.Millisecond, 5*time.Hour, delivery.ReasonServerError, "Server answered 503 Service Unavailable"), Payload: manage.PayloadKept, Entries: []manage.EntryView{entry(1, 5*time.Hour, packedAnswer, delivery.StatusFailed, 5*time.Hour)}}
	expired := manage.DeliveryView{LoggedDelivery: logged(1, delivery.StatusDelivered, 1, 200, 84*time.Millisecond, 9*24*time.Hour, "", ""), Payload: manage.PayloadExpired, Entries: []manage.EntryView{entry(1, 9*24*time.Hour, answered(204, "", 9*24*time.Hour), delivery.StatusDelivered, 9*24*time.Hour)}}
	expired.Entries[0].Request.Body = nil
	every := log(view.Log{Filter: filter(""), Rows: everyRow(), Older: "?cursor=x"})
	every.Head = view.HeadOf(paused(), "")
	older := every
	older.First, older.Older = "?first", ""
	unread := log(view.Log{Filter: filter(""), Rows: everyRow()})
	unread.Filter.Problem, unread.Filter.Active, unread.Filter.Open, unread.Filter.Since = "A time is written like 2026-11-23T10:30.", true, true, "yesterday"
	waiting := func(status delivery.Status, rest ...manage.EntryView) manage.DeliveryView {
		d := logged(1, status, len(rest), 0, 0, 48*time.Second, "", held.Message)
		if len(rest) > 0 {
			d = logged(1, status, len(rest), 503, 84*time.Millisecond, 48*time.Second, delivery.ReasonServerError, "Server answered 503 Service Unavailable")
			d.NextAt = clock().Now.Add(4*time.Minute + 12*time.Second)
		}
		return manage.DeliveryView{LoggedDelivery: d, Payload: manage.PayloadKept, Entries: append(rest, entry(0, time.Minute, held, delivery.StatusHeld, 2*time.Minute))}
	}
	retrying := waiting(delivery.StatusRetrying, entry(1, 48*time.Second, answered(503, "upstream connect error", 48*time.Second), delivery.StatusRetrying, 2*time.Minute))
	stopped := view.HeadOf(paused(), "")
	return []Story{
		{Name: "log", Title: "Delivery log", Template: "log", Frame: frame, Body: every},
		{Name: "log-filtered", Title: "Delivery log, filtered in vain", Template: "log", Frame: frame, Body: log(view.Log{Filter: filter(delivery.StatusFailed)})},
		{Name: "log-empty", Title: "Delivery log, empty", Template: "log", Frame: frame, Body: log(view.Log{Filter: filter("")})},
		{Name: "log-older", Title: "Delivery log, an older page", Template: "log", Frame: frame, Body: older},
		{Name: "log-problem", Title: "Delivery log, a filter that cannot be read", Template: "log", Frame: frame, Body: unread},
		{Name: "delivery-held", Title: "A delivery that is held", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: stopped, Delivery: view.DeliveryOf(waiting(delivery.StatusHeld), paused(), clock())}},
		{Name: "delivery-retrying", Title: "A delivery that will be tried again", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: stopped, Delivery: view.DeliveryOf(retrying, paused(), clock())}},
		{Name: "delivery", Title: "A delivery", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: head, Delivery: view.DeliveryOf(delivered, active(), clock())}},
		{Name: "delivery-failed", Title: "A delivery that failed, with a hostile answer", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: head, Delivery: view.DeliveryOf(failedOne, active(), clock())}},
		{Name: "delivery-packed", Title: "A delivery with an answer that is no text", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: head, Delivery: view.DeliveryOf(packedOne, active(), clock())}},
		{Name: "delivery-expired", Title: "A delivery without its payload", Template: "delivery", Frame: frame, Body: view.DeliveryPage{Head: head, Delivery: view.DeliveryOf(expired, active(), clock())}},
	}
}

func recovery(status delivery.RecoveryStatus, preview bool, past time.Duration, total, examined, queued int64) view.Recovery {
	r := delivery.Recovery{
		ID: "rec_01jd9v7q6w3k8m5n2p4r6t8v0x", DryRun: preview, Status: status,
		Total: total, Examined: examined, Queued: queued, CreatedAt: ago(past),
	}
	r.Since, r.Until = r.CreatedAt.Add(-24*time.Hour), r.CreatedAt
	if status != delivery.RecoveryRunning {
		r.EndedAt = r.CreatedAt.Add(10 * time.Second)
	}
	if status == delivery.RecoveryFailed {
		r.Message = "The webhook was disabled meanwhile."
	}
	return view.RecoveryOf(r, clock())
}

func webhookStories() []Story {
	frame := tab("webhooks")
	head := func(path string) view.Head { return view.HeadOf(active(), path) }
	secret := view.SecretPage{Head: head("/secret"), Languages: languages()}
	created := secret
	created.New, created.Secret = true, "whsec_ZGlhbG5vdGUgZ29sZGVuIHRlc3Qga2V5"
	withins := []view.Choice{}
	for _, w := range view.Withins() {
		withins = append(withins, view.Choice{Value: w.Value, Label: w.Label, Chosen: w.Value == "24h"})
	}
	form := view.RecoverPage{Head: head("/recover"), Withins: withins, Zone: "UTC", Earlier: []view.Recovery{recovery(delivery.RecoveryDone, false, 3*time.Hour, 812, 812, 37), recovery(delivery.RecoveryCancelled, false, 26*time.Hour, 90_210, 12_000, 800)}}
	refused := form
	refused.Since = view.Input{Value: "2999-01-01T00:00", Error: "The start must be before the end, and in the past."}
	busy := form
	busy.Problem = "A recovery of this webhook is already running. Wait for it, or cancel it."
	of := func(r view.Recovery) view.RecoveryPage { return view.RecoveryPage{Head: head("/recover"), Recovery: r} }
	sent := event.Sample(event.CallCompleted, "acme", eventID(1), ago(8*time.Minute)).Body()
	check := func(v signature.Verdict, given []byte) view.CheckPage {
		found := []signature.Diagnosis{{Scheme: signature.SchemeDialNote, Verdict: v, Other: "Lead Alerts"}}
		return view.CheckPage{Head: head("/check"), Headers: "X-DialNote-Signature: " + signed, Body: string(given), Findings: view.FindingsOf(found, given, sent)}
	}
	var indented bytes.Buffer
	_ = json.Indent(&indented, sent, "", "  ") // it is JSON
	return []Story{
		{Name: "created", Title: "After creating", Template: "secret", Frame: frame, Body: created},
		{Name: "secret", Title: "Secret and code", Template: "secret", Frame: frame, Body: secret},
		{Name: "check", Title: "Signature checker", Template: "check", Frame: frame, Body: view.CheckPage{Head: head("/check")}},
		{Name: "check-matches", Title: "Signature checker, a match", Template: "check", Frame: frame, Body: check(signature.Matches, sent)},
		{Name: "check-changed", Title: "Signature checker, changed bytes", Template: "check", Frame: frame, Body: check(signature.Reserialised, indented.Bytes())},
		{Name: "check-other-key", Title: "Signature checker, another webhook's secret", Template: "check", Frame: frame, Body: check(signature.OtherKey, sent)},
		{Name: "check-nothing", Title: "Signature checker, no signature", Template: "check", Frame: frame, Body: view.CheckPage{Head: head("/check"), Headers: "Content-Type: application/json", Body: string(sent), Problem: "There is no signature among these headers. Paste X-DialNote-Signature or webhook-signature, with its value."}},
		{Name: "recover", Title: "Recover", Template: "recover", Frame: frame, Body: form},
		{Name: "recover-wrong", Title: "Recover, a time that cannot be", Template: "recover", Frame: frame, Body: refused},
		{Name: "recover-refused", Title: "Recover, refused", Template: "recover", Frame: frame, Body: busy},
		{Name: "recover-counting", Title: "Recover, the preview under way", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryRunning, true, 20*time.Second, 90_210, 31_400, 800))},
		{Name: "recover-preview", Title: "Recover, the preview", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryDone, true, 20*time.Second, 812, 812, 37))},
		{Name: "recover-running", Title: "Recover, running", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryRunning, false, 20*time.Second, 90_210, 31_400, 800))},
		{Name: "recover-done", Title: "Recover, done", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryDone, false, 20*time.Second, 812, 812, 37))},
		{Name: "recover-nothing", Title: "Recover, nothing missed", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryDone, true, 20*time.Second, 812, 812, 0))},
		{Name: "recover-failed", Title: "Recover, failed", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryFailed, false, 20*time.Second, 812, 200, 0))},
		{Name: "recover-cancelled", Title: "Recover, cancelled", Template: "recovery", Frame: frame, Body: of(recovery(delivery.RecoveryCancelled, false, 20*time.Second, 90_210, 12_000, 800))},
	}
}

func languages() []view.Language {
	examples, err := receivers.All()
	if err != nil {
		return nil // their own test says so
	}
	return view.LanguagesOf(examples)
}

func keys() []view.Key {
	c := clock()
	return []view.Key{
		view.KeyOf(access.Key{ID: "key_01jd9v7q6w3k8m5n2p4r6t8v0x", Name: "Reporting", LastCharacters: "Tq3M", CreatedAt: ago(30 * 24 * time.Hour), LastUsedAt: ago(3 * time.Minute)}, c),
		view.KeyOf(access.Key{ID: "key_01jd9v7q6w3k8m5n2p4r6t8v0y", Name: "Nightly export", LastCharacters: "9Zk_", CreatedAt: ago(2 * 24 * time.Hour)}, c),
	}
}

func settingStories() []Story {
	c := clock()
	person := audit.Actor{Kind: audit.Portal, Name: "anna@acme.example", Via: "app"}
	hookID := active().ID
	target := audit.Target{Kind: audit.Webhook, ID: hookID, WebhookID: hookID}
	var entries []view.Entry
	for _, e := range []audit.Entry{
		{ID: "aud_1", At: ago(2 * time.Minute), Actor: person, Action: audit.WebhookUpdated, Target: target, Before: []byte(`{"url":"https://old.acme.example/hook"}`), After: []byte(`{"url":"https://crm.acme.example/hooks/dialnote"}`)},
		{ID: "aud_2", At: ago(19 * time.Hour), Actor: audit.Itself(), Action: audit.WebhookAutoDisabled, Target: target, After: []byte(`{"status":"auto_disabled","disabledReason":"failures","failureCount":3,"lastError":"The certificate expired on 22 November 2026"}`)},
		{ID: "aud_3", At: ago(26 * time.Hour), Actor: audit.Actor{Kind: audit.APIKey, Name: "Reporting"}, Action: audit.WebhookCreated, Target: target, After: []byte(`{"name":"CRM Call Sync","provider":"custom","url":"https://old.acme.example/hook","event":"call.completed"}`)},
		{ID: "aud_4", At: ago(9 * 24 * time.Hour), Actor: audit.Actor{Kind: audit.ServiceToken, Name: "app"}, Action: audit.PortalLinkCreated, Target: audit.Target{Kind: audit.PortalLink, ID: "lnk_01jd9v7q6w3k8m5n2p4r6t8v0x"}},
	} {
		entries = append(entries, view.EntryOf(e, c))
	}
	actions := []view.Choice{}
	for _, a := range audit.Actions() {
		actions = append(actions, view.Choice{Value: string(a), Label: view.ActionLabel(a)})
	}
	made := keys()
	made = append([]view.Key{view.KeyOf(access.Key{ID: "key_01jd9v7q6w3k8m5n2p4r6t8v0z", Name: "Data warehouse", LastCharacters: "x7Qa", CreatedAt: c.Now}, c)}, made...)
	return []Story{
		{Name: "keys", Title: "API keys", Template: "keys", Frame: tab("keys"), Body: view.KeysPage{Keys: keys()}},
		{Name: "keys-new", Title: "A new API key", Template: "keys", Frame: tab("keys"), Body: view.KeysPage{Keys: made, New: "dnk_3vXo7cJ2mQ9tB1sLw8Zr4Ey6Hn0Kd5Gfx7Qa", Named: "Data warehouse"}},
		{Name: "keys-empty", Title: "No API keys", Template: "keys", Frame: tab("keys"), Body: view.KeysPage{Name: view.Input{Error: "The name is required."}}},
		{Name: "audit", Title: "Audit log", Template: "audit", Frame: tab("audit"), Body: view.AuditPage{Entries: entries, Actions: actions, Older: "?cursor=x"}},
		{Name: "audit-empty", Title: "Audit log, empty", Template: "audit", Frame: tab("audit"), Body: view.AuditPage{Actions: actions, Active: true}},
	}
}
