//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// entries returns what of an organization's audit log passes a filter, oldest
// first.
func entries(t *testing.T, s store.Store, organizationID string, filter audit.Filter) []audit.Entry {
	t.Helper()
	list, next, err := s.ListEntries(t.Context(), organizationID, filter, store.Page{Limit: 1000})
	if err != nil || next != "" {
		t.Fatalf("entries: %v, next %q", err, next)
	}
	slices.Reverse(list)
	return list
}

// told returns the entries as text, a line each.
func told(list []audit.Entry) []string {
	lines := make([]string, 0, len(list))
	for _, e := range list {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Actor.Kind, e.Action, e.Target.Kind, e.Before, e.After)))
	}
	return lines
}

func auditOfChanges(t *testing.T, s store.Store) {
	ctx := t.Context()
	w := create(t, s, Webhook("acme"))
	update := func(change func(*webhook.Webhook), refusal error) {
		t.Helper()
		_, err := s.Update(ctx, By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			change(&w)
			return w, refusal
		})
		if !errors.Is(err, refusal) {
			t.Fatal(err)
		}
	}
	update(func(w *webhook.Webhook) { w.Name = "New" }, errors.New("refused after all"))
	update(func(w *webhook.Webhook) { w.Health.FailureCount = 2 }, nil) // nothing that people change
	update(func(w *webhook.Webhook) { w.Name, w.Event = "New", webhook.Disabled }, nil)
	update(func(w *webhook.Webhook) { w.Event = webhook.SendNotes }, nil)
	update(func(w *webhook.Webhook) {
		w.Health.AutoDisabled, w.Health.FailureCount = webhook.DisabledForFailures, 3
		w.Health.LastError = &webhook.Failure{At: w.UpdatedAt, Reason: "dns", Message: "Not found."}
	}, nil)
	update(func(w *webhook.Webhook) { w.Health = webhook.Health{} }, nil)
	r := Recovery(w)
	wantNoError(t, s.CreateRecovery(ctx, By(), r))
	if err := s.CreateRecovery(ctx, By(), Recovery(w)); err == nil {
		t.Error("two recoveries")
	}
	dry := Recovery(w)
	dry.DryRun = true // changes nothing
	wantNoError(t, s.CreateRecovery(ctx, By(), dry))
	for range 2 {
		wantNoError(t, s.CancelRecovery(ctx, By(), "acme", w.ID, r.ID, time.Now()))
		wantNoError(t, s.CancelRecovery(ctx, By(), "acme", w.ID, dry.ID, time.Now()))
	}
	if _, err := s.Delete(ctx, By(), "acme", w.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, By(), "acme", w.ID, 0); err == nil {
		t.Error("deleted twice")
	}
	if s.Create(ctx, By(), Webhook("acme"), 0) == nil {
		t.Error("created above the limit")
	}
	const settings = `{"name":"CRM Call Sync","provider":"custom","url":"https://hooks.example.com/in?a=b","event":"call.completed"}`
	list := entries(t, s, "acme", audit.Filter{}) // the webhook's are kept
	got := told(list)
	for i, line := range got {
		got[i], _, _ = strings.Cut(line, `{"since"`)
	}
	wantEqual(t, "entries", got, []string{
		`service_token webhook.created webhook  ` + settings,
		`service_token webhook.updated webhook {"event":"call.completed","name":"CRM Call Sync"} {"event":"disabled","name":"New"}`,
		`service_token webhook.updated webhook {"event":"disabled"} {"event":"note.created"}`,
		`service_token webhook.auto_disabled webhook {"status":"active"} {"status":"auto_disabled","disabledReason":"failures","failureCount":3,"lastError":"Not found."}`,
		`service_token webhook.enabled webhook {"status":"auto_disabled","disabledReason":"failures","failureCount":3,"lastError":"Not found."} {"status":"active"}`,
		`service_token recovery.started recovery  `,
		`service_token recovery.cancelled recovery  {"examined":0,"queued":0}`,
		`service_token webhook.deleted webhook {"name":"New","provider":"custom","url":"https://hooks.example.com/in?a=b","event":"note.created"}`,
	})
	for _, e := range list {
		if e.OrganizationID != "acme" || e.Actor != By() || e.Target.WebhookID != w.ID || e.At.IsZero() || !strings.HasPrefix(e.ID, "aud_") {
			t.Errorf("entry %+v", e)
		}
	}
}

func auditOfOutcomes(t *testing.T, s store.Store) {
	w, zap := create(t, s, Webhook("acme")), Webhook("acme")
	zap.Provider, zap.URL = webhook.Zapier, "https://hooks.zapier.com/1"
	zap = create(t, s, zap)
	now := delivery.Recordable(time.Now())
	var outages []delivery.Attempt
	for i := range 4 {
		outages = append(outages, Failed(w, now.Add(time.Duration(i)*time.Minute), time.Second))
	}
	gone := Failed(zap, now, time.Second)
	gone.Outcome.Reason, gone.Outcome.StatusCode = delivery.ReasonGone, 410
	record(t, s, outages[:2]...)
	record(t, s, outages[2:]...)
	record(t, s, outages[2:]...) // as a replica does that missed the answer
	record(t, s, gone)
	record(t, s, gone)
	list := entries(t, s, "acme", audit.Filter{ActorKind: audit.System})
	slices.SortFunc(list, func(a, b audit.Entry) int { return strings.Compare(string(a.Action), string(b.Action)) })
	wantEqual(t, "entries", told(list), []string{
		`system webhook.auto_disabled webhook {"status":"active"} {"status":"auto_disabled","disabledReason":"failures","failureCount":3,"lastError":"Server answered 503 Service Unavailable"}`,
		`system webhook.deleted webhook {"name":"CRM Call Sync","provider":"zapier","url":"https://hooks.zapier.com/1","event":"call.completed","disabledReason":"gone","failureCount":1,"lastError":"Server answered 503 Service Unavailable"}`,
	})
	wantEqual(t, "when", list[0].At, outages[2].EndedAt)
}

func auditOfAccess(t *testing.T, s store.Store) {
	ctx, now := t.Context(), delivery.Recordable(time.Now())
	k, text := Key(t, "acme")
	k.CreatedAt = now
	wantNoError(t, s.CreateKey(ctx, By(), k, text.Digest(), 1))
	wantNoError(t, s.RevokeKey(ctx, By(), "acme", k.ID, now))
	zap, next := zapierKey(t, "acme"), zapierKey(t, "acme")
	next.CreatedAt = now
	for range 2 {
		if _, err := s.ShowZapierKey(ctx, By(), zap, now); err != nil {
			t.Fatal(err)
		}
	}
	wantNoError(t, s.RotateZapierKey(ctx, By(), next))
	token, cookie := link(t, s, "acme", "anna@acme.example", now), secret(t, access.NewSession)
	_, err := s.OpenLink(ctx, token.Digest(), "ses_"+newID(), cookie.Digest(), now)
	wantNoError(t, err)
	wantNoError(t, s.EndSession(ctx, cookie.Digest(), now.Add(time.Second)))
	wantNoError(t, s.EndSession(ctx, cookie.Digest(), now.Add(time.Second)))
	list := entries(t, s, "acme", audit.Filter{})
	name := `{"name":"Reporting","lastCharacters":"` + k.LastCharacters + `"}`
	var got []string
	for _, line := range told(list) {
		head, _, _ := strings.Cut(line, `"expiresAt"`)
		got = append(got, head)
	}
	wantEqual(t, "entries", got, []string{
		`service_token api_key.created api_key  ` + name,
		`service_token api_key.revoked api_key ` + name,
		`service_token zapier_key.created zapier_key`,
		`service_token zapier_key.shown zapier_key`,
		`service_token zapier_key.rotated zapier_key`,
		`service_token portal_link.created portal_link  {"actor":"anna@acme.example",`,
		`portal portal_session.begun portal_session`,
		`portal portal_session.ended portal_session`,
	})
	person := audit.Actor{Kind: audit.Portal, Name: "anna@acme.example", Via: "tests"}
	if list[6].Actor != person || list[7].Actor != person {
		t.Errorf("actors %+v, %+v", list[6].Actor, list[7].Actor)
	}
	all := fmt.Sprintf("%+v", list)
	for _, secret := range []access.Secret{text, zap.Key, token, cookie} {
		if strings.Contains(all, secret.Reveal()[4:]) {
			t.Error("a secret is in the log")
		}
	}
}

func auditFilters(t *testing.T, s store.Store) {
	ctx, now := t.Context(), delivery.Recordable(time.Now()).Truncate(time.Hour)
	anna, key := audit.Actor{Kind: audit.Portal, Name: "anna", Via: "app"}, audit.Actor{Kind: audit.APIKey, Name: "anna", KeyID: "key_1"}
	add := func(minute int, by audit.Actor, action audit.Action, target audit.Target) {
		t.Helper()
		wantNoError(t, s.AddEntry(ctx, audit.Entry{
			At: now.Add(time.Duration(minute) * time.Minute), OrganizationID: "acme", Actor: by, Action: action, Target: target,
		}))
	}
	hook := func(id string) audit.Target { return audit.Target{Kind: audit.Webhook, ID: id, WebhookID: id} }
	add(0, By(), audit.WebhookCreated, hook("wh_1"))
	add(1, anna, audit.WebhookUpdated, hook("wh_1"))
	add(2, key, audit.WebhookUpdated, hook("wh_2"))
	add(3, anna, audit.DeliveryRedelivered, audit.Target{Kind: audit.Delivery, ID: "dlv_1", WebhookID: "wh_1"})
	add(4, audit.Itself(), audit.WebhookAutoDisabled, hook("wh_1"))
	add(5, anna, audit.ZapierKeyShown, audit.Target{Kind: audit.ZapKey})
	create(t, s, Webhook("other"))
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	for name, tc := range map[string]struct {
		filter audit.Filter
		want   string // the minutes
	}{
		"all":              {audit.Filter{}, "[0 1 2 3 4 5]"},
		"action":           {audit.Filter{Action: audit.WebhookUpdated}, "[1 2]"},
		"actor":            {audit.Filter{Actor: "anna"}, "[1 2 3 5]"},
		"kind of actor":    {audit.Filter{ActorKind: audit.System}, "[4]"},
		"both":             {audit.Filter{ActorKind: audit.Portal, Actor: "anna"}, "[1 3 5]"},
		"webhook":          {audit.Filter{WebhookID: "wh_1"}, "[0 1 3 4]"},
		"target":           {audit.Filter{TargetID: "dlv_1"}, "[3]"},
		"since":            {audit.Filter{Since: minute(4)}, "[4 5]"},
		"since, just past": {audit.Filter{Since: minute(4).Add(time.Nanosecond)}, "[5]"},
		"until":            {audit.Filter{Until: minute(2)}, "[0 1]"},
		"until, just past": {audit.Filter{Until: minute(2).Add(time.Nanosecond)}, "[0 1 2]"},
		"everything":       {audit.Filter{Actor: "anna", WebhookID: "wh_1", Since: minute(1), Until: minute(3), Action: audit.WebhookUpdated}, "[1]"},
		"nothing":          {audit.Filter{Actor: "Anna"}, "[]"},
		"odd text":         {audit.Filter{Actor: "a\x00\xff'"}, "[]"},
		"the far past":     {audit.Filter{Until: time.Unix(-1, 0)}, "[]"},
		"the far future":   {audit.Filter{Since: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, "[]"},
	} {
		minutes := []int{}
		for _, e := range entries(t, s, "acme", tc.filter) {
			minutes = append(minutes, int(e.At.Sub(now)/time.Minute))
		}
		if got := fmt.Sprint(minutes); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
	first := entries(t, s, "acme", audit.Filter{Action: audit.DeliveryRedelivered})[0]
	first.ID = ""
	wantEqual(t, "entry", first, audit.Entry{
		At: minute(3), OrganizationID: "acme", Actor: anna, Action: audit.DeliveryRedelivered,
		Target: audit.Target{Kind: audit.Delivery, ID: "dlv_1", WebhookID: "wh_1"},
	})
	wantEqual(t, "actor", entries(t, s, "acme", audit.Filter{ActorKind: audit.APIKey})[0].Actor, key)
}

func auditPages(t *testing.T, s store.Store) {
	ctx, now := t.Context(), time.Now()
	want := make([]string, 0, 7)
	for i := range 7 {
		target := audit.Target{Kind: audit.Key, ID: fmt.Sprint(i)}
		// Of the same instant, they keep the order in which they were made.
		wantNoError(t, s.AddEntry(ctx, audit.Entry{At: now, OrganizationID: "acme", Actor: By(), Action: audit.APIKeyCreated, Target: target}))
		want = append([]string{target.ID}, want...)
	}
	var got []string
	page, pages := store.Page{Limit: 3}, 0
	for {
		list, next, err := s.ListEntries(ctx, "acme", audit.Filter{}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			got = append(got, e.Target.ID)
		}
		pages++
		if page.After = next; next == "" {
			break
		}
		create(t, s, Webhook("acme")) // does not disturb the rest
	}
	wantEqual(t, "targets, newest first", got, want)
	wantEqual(t, "pages", pages, 3)
	for _, cursor := range []string{"!", "d2hfYWJj", "YXVkXwA"} { // wh_abc, aud_\x00
		_, _, err := s.ListEntries(ctx, "acme", audit.Filter{}, store.Page{Limit: 3, After: cursor})
		wantFault(t, err, fault.Invalid, "invalid")
	}
}

func auditWithoutActor(t *testing.T, s store.Store) {
	w := Webhook("acme")
	if s.Create(t.Context(), audit.Actor{}, w, 10) == nil {
		t.Error("a webhook was created without an actor")
	}
	if _, err := s.Get(t.Context(), "acme", w.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a webhook without its entry is there: %v", err)
	}
	w = create(t, s, Webhook("acme"))
	if _, err := s.Delete(t.Context(), audit.Actor{}, "acme", w.ID, 0); err == nil {
		t.Error("a webhook was deleted without an actor")
	}
	get(t, s, w)
	if s.AddEntry(t.Context(), audit.Entry{At: time.Now(), OrganizationID: "acme", Action: "made-up", Actor: By(), Target: audit.Target{Kind: audit.Webhook}}) == nil {
		t.Error("an action of no form was noted")
	}
}
