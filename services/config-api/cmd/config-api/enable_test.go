package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store/postgres"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// disabled makes a webhook that was disabled automatically some time ago, with
// events that wait for it.
func (s *site) disabled(t *testing.T, organization string, ago time.Duration, reason webhook.DisabledReason, events ...string) webhook.Webhook {
	t.Helper()
	w := s.webhook(t, organization, webhook.SendCallLogs)
	w, err := s.db.Update(t.Context(), audit.Itself(), organization, w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Health.FailureCount, w.Health.AutoDisabled = 3, reason
		w.UpdatedAt = time.Now().Add(-ago)
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range events {
		e := s.publish(t, organization, id)
		if err := s.conn.Enqueue(t.Context(), delivery.Of(e, e.Body(), w.ID, 1, time.Now()), 1); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// breakSecret replaces what is kept of a webhook's secret by what no key opens.
func (s *site) breakSecret(t *testing.T, w webhook.Webhook) {
	t.Helper()
	db, is := s.db.(*postgres.Store)
	if !is {
		t.Fatalf("the database is a %T", s.db)
	}
	if _, err := db.Writer.ExecContext(t.Context(), `UPDATE webhooks SET secret = 'broken' WHERE id = $1`, w.ID); err != nil {
		t.Fatal(err)
	}
}

// stands fails the test unless a webhook has this status, and so many events
// wait for it.
func (s *site) stands(t *testing.T, w webhook.Webhook, want webhook.Status, waiting int64) {
	t.Helper()
	now, err := s.db.Get(t.Context(), w.OrganizationID, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.conn.Held(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if now.Status() != want || held != waiting || want == webhook.StatusActive && now.Health.FailureCount != 0 {
		t.Errorf("%s is %s after %d failures and holds %d events; want %s and %d", w.ID, now.Status(), now.Health.FailureCount, held, want, waiting)
	}
}

func TestEnable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	early := s.disabled(t, "acme", 5*time.Hour, webhook.DisabledForFailures, "e1")
	late := s.disabled(t, "acme", time.Hour, webhook.DisabledForFailures, "e2", "e3")
	gone := s.disabled(t, "acme", time.Hour, webhook.DisabledAsGone)
	other := s.disabled(t, "other", time.Hour, webhook.DisabledForFailures, "e4")
	active, off := s.webhook(t, "acme", webhook.SendNotes), s.webhook(t, "acme", webhook.Disabled)

	const when = `disabled at \d{4}-\S+Z, `
	s.says(t, 0, "webhooks enable -org acme -since 2h -dry-run",
		`(?m)^acme `+late.ID+"  "+when+`would be enabled, 2 events to be delivered  "CRM Call Sync"$`,
		`(?m)^acme `+gone.ID+"  "+when+"passed over: Its endpoint answered 410 Gone.", "1 would be enabled, 1 passed over")
	s.stands(t, late, webhook.StatusAutoDisabled, 2)

	out := s.says(t, 0, "webhooks enable -org acme -since 2h -by anna@ops", late.ID+"  "+when+"enabled, 2 events to be delivered", "1 enabled, 1 passed over")
	for _, id := range []string{early.ID, other.ID, active.ID, off.ID} {
		if strings.Contains(out, id) {
			t.Errorf("%s is no business of this command:\n%s", id, out)
		}
	}
	s.stands(t, late, webhook.StatusActive, 2) // until a dispatcher takes them
	s.stands(t, early, webhook.StatusAutoDisabled, 1)
	s.stands(t, gone, webhook.StatusAutoDisabled, 0)
	s.stands(t, other, webhook.StatusAutoDisabled, 1)
	s.stands(t, off, webhook.StatusDisabled, 0)

	s.says(t, 0, "webhooks enable -org acme -since 2h", "0 enabled, 1 passed over") // again: no harm
	s.says(t, 0, "webhooks enable -all -events discard",
		"acme "+early.ID+"  "+when+"enabled, 1 events discarded", "other "+other.ID+"  "+when+"enabled, 1 events discarded", "2 enabled, 1 passed over")
	s.stands(t, early, webhook.StatusActive, 0)
	s.stands(t, other, webhook.StatusActive, 0)

	want := []string{
		"operator anna@ops webhook.enabled " + late.ID,
		"operator olga webhook.held_events_discarded " + early.ID, "operator olga webhook.enabled " + early.ID,
	}
	if got := s.entries(t, "acme"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A webhook that was changed after it was disabled was still disabled then, and
// one that was enabled in between counts by the last time.
func TestEnableGoesByWhenItWasDisabled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	renamed := s.disabled(t, "acme", 5*time.Hour, webhook.DisabledForFailures)
	if _, err := s.db.Update(t.Context(), audit.Itself(), "acme", renamed.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Name, w.UpdatedAt = "Renamed", time.Now()
		return w, nil
	}); err != nil {
		t.Fatal(err)
	}
	twice := s.disabled(t, "acme", 5*time.Hour, webhook.DisabledForFailures)
	for _, reason := range []webhook.DisabledReason{webhook.NotAutoDisabled, webhook.DisabledForFailures} {
		if _, err := s.db.Update(t.Context(), audit.Itself(), "acme", twice.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			w.Health.AutoDisabled, w.UpdatedAt = reason, time.Now()
			return w, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	s.says(t, 0, "webhooks enable -all -since 1h", "acme "+twice.ID+"  disabled at .*, enabled", "1 enabled, 0 passed over")
	s.stands(t, renamed, webhook.StatusAutoDisabled, 0)
}

// hears is a dispatcher that collects announcements.
type hears chan stream.Change

func (h hears) Changed(c stream.Change)     { h <- c }
func (hears) Arrived(stream.Arrival)        {}
func (hears) TakenElsewhere([]stream.Taken) {}

// A webhook that cannot be decrypted is named and passed over, and the others are
// enabled.
func TestEnablePassesOverWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	broken := s.disabled(t, "acme", time.Hour, webhook.DisabledForFailures)
	other := s.disabled(t, "other", time.Hour, webhook.DisabledForFailures)
	s.breakSecret(t, broken)
	s.says(t, 0, "webhooks enable -all -since 2h", "acme "+broken.ID+".*passed over: It cannot be read: ", "other "+other.ID+".*, enabled", "1 enabled, 1 passed over")
	s.stands(t, other, webhook.StatusActive, 0)
}

// Each enabled webhook is announced to the dispatchers.
func TestEnableAnnouncesTheWebhookToTheDispatchers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.disabled(t, "acme", time.Hour, webhook.DisabledForFailures)
	announced := make(hears, 16)
	if _, err := s.conn.Join("a", announced); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Ready(t.Context()); err != nil { // answered after it has begun to hear
		t.Fatal(err)
	}
	s.says(t, 0, "webhooks enable -org acme", w.ID+"  disabled at .*, enabled")
	select {
	case c := <-announced:
		if c != (stream.Change{OrganizationID: "acme", WebhookID: w.ID}) {
			t.Errorf("announced %+v", c)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the dispatchers received no announcement")
	}
}

func TestEnableAsksWhose(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.says(t, 2, "webhooks enable", "say whose webhooks: -org, or -all", "Flags:")
	s.says(t, 2, "webhooks enable -org acme -all", "say whose webhooks")
	s.says(t, 2, "webhooks enable -all -events keep", "it is deliver or discard")
	s.says(t, 2, "webhooks enable -all -since yesterday", "write it as 2026-11-02T09:30:00Z")
	s.says(t, 0, "webhooks enable -org absent", "0 enabled, 0 passed over")
}
