package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// site is an installation whose operator uses the commands.
type site struct {
	environ map[string]string
	db      store.Store
	nats    *natstest.Server
	conn    *stream.Conn
}

func newSite(t *testing.T) *site {
	t.Helper()
	key := newKey(t, "k1")
	box, err := secretbox.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{nats: natstest.Start(t)}
	s.environ = map[string]string{
		"DIALNOTE_DATABASE_URL": pgtest.Schema(t), "DIALNOTE_NATS_URL": s.nats.ClientURL(), "DIALNOTE_ENCRYPTION_KEYS": key, "USER": "olga",
	}
	if s.db, err = storeurl.Open(t.Context(), s.environ["DIALNOTE_DATABASE_URL"], box); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if s.conn, err = stream.Connect(stream.Settings{URL: s.nats.ClientURL(), Name: "test"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: 24 * time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) webhook(t *testing.T, organization string, sends webhook.Setting) webhook.Webhook {
	t.Helper()
	w := storetest.Webhook(organization)
	w.Event = sends
	if err := s.db.Create(t.Context(), storetest.By(), w, 100); err != nil {
		t.Fatal(err)
	}
	return w
}

func (s *site) publish(t *testing.T, organization, id string) event.Event {
	t.Helper()
	e := event.Sample(event.CallCompleted, organization, id, time.Now())
	if err := s.conn.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// run runs a command as an operator would and returns its code and what it said.
func (s *site) run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	code = theProgram().Run(ctx, args, s.environ, &o, &e)
	return code, o.String(), e.String()
}

// says runs a command that must end with a code and say what the patterns match.
func (s *site) says(t *testing.T, code int, command string, patterns ...string) string {
	t.Helper()
	got, out, errs := s.run(t, strings.Fields(command)...)
	if got != code {
		t.Errorf("%s: code %d, want %d", command, got, code)
	}
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(out + errs) {
			t.Errorf("%s does not say %s", command, pattern)
		}
	}
	if t.Failed() {
		t.Fatalf("%s said:\n%s%s", command, out, errs)
	}
	return out
}

// entries returns an organization's audit log, oldest first, in short.
func (s *site) entries(t *testing.T, organization string) []string {
	t.Helper()
	list, _, err := s.db.ListEntries(t.Context(), organization, audit.Filter{ActorKind: audit.Operator}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list)
	short := make([]string, 0, len(list))
	for _, e := range list {
		short = append(short, string(e.Actor.Kind)+" "+e.Actor.Name+" "+string(e.Action)+" "+e.Target.ID)
	}
	return short
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.says(t, 0, "migrate", `^the schema is at version \d+: nothing to do\n$`)
	s.environ["DIALNOTE_DATABASE_URL"] = pgtest.Schema(t)
	s.says(t, 1, "replay -since 1h", "the database lacks migrations of this version") // no command migrates by the way
	s.says(t, 0, "migrate -dry-run", `^the schema is at version 0; to be done:\n  0001_begin.sql\n  0002_`)
	s.says(t, 0, "migrate", `^the schema went from version 0 to \d+ and serves programs that know version \d+ or later\n$`)
	s.says(t, 0, "migrate -dry-run", "nothing to do")
	s.environ["DIALNOTE_DATABASE_URL"] = "sqlite://" + filepath.Join(t.TempDir(), "new.db")
	s.says(t, 0, "migrate -dry-run", "everything: there is no such file yet")
	s.says(t, 0, "migrate", "the schema went from version 0 to ")
	s.environ["DIALNOTE_DATABASE_URL"] = "postgres://x@127.0.0.1:1/x?sslmode=disable"
	s.says(t, 1, "migrate -wait 10ms", "look at the database: .*connection refused")
	s.environ["DIALNOTE_DATABASE_URL"] = "postgres:///x?host=" + t.TempDir() // a socket that no server has made
	s.says(t, 1, "migrate -dry-run -wait 10ms", "look at the database: .*no such file")
	s.says(t, 2, "migrate now", `"now" is not a flag`)
}

func TestDisable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	calls, notes := s.webhook(t, "acme", webhook.SendCallLogs), s.webhook(t, "acme", webhook.SendNotes)
	off, others := s.webhook(t, "acme", webhook.Disabled), s.webhook(t, "other", webhook.SendCallLogs)
	s.says(t, 2, "webhooks disable", "say whose webhooks: -org", "Flags:")
	s.says(t, 0, "webhooks disable -org acme -dry-run", calls.ID+"  would be disabled; it sends call.completed", notes.ID, off.ID+"  was disabled already")
	s.says(t, 1, "webhooks disable -org acme -webhook "+others.ID, "acme has no webhook "+others.ID)
	s.says(t, 0, "webhooks disable -org acme -webhook "+notes.ID+" -by anna@ops", notes.ID+"  disabled; it sent note.created")
	for id, want := range map[string]webhook.Status{calls.ID: webhook.StatusActive, notes.ID: webhook.StatusDisabled} {
		if w, err := s.db.Get(t.Context(), "acme", id); err != nil || w.Status() != want {
			t.Errorf("%s, %v", w.Status(), err)
		}
	}
	s.says(t, 0, "webhooks disable -org acme", calls.ID+"  disabled; it sent call.completed")
	s.says(t, 0, "webhooks disable -org absent", "absent has nothing to disable")
	if w, err := s.db.Get(t.Context(), "other", others.ID); err != nil || w.Status() != webhook.StatusActive {
		t.Errorf("another organization's webhook is %s, %v", w.Status(), err)
	}
	want := []string{"operator anna@ops webhook.updated " + notes.ID, "operator olga webhook.updated " + calls.ID}
	if got := s.entries(t, "acme"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.says(t, 1, "webhooks disable -org acme -by "+strings.Repeat("x", 101), "-by: by is too long")
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.webhook(t, "acme", webhook.SendCallLogs), s.webhook(t, "other", webhook.SendCallLogs)
	off := s.webhook(t, "acme", webhook.Disabled)
	for _, id := range []string{"e1", "e2", "e3"} {
		s.publish(t, "acme", id)
	}
	s.says(t, 2, "replay", "say from when on: -since")
	s.says(t, 2, "replay -since yesterday", "write it as 2026-11-02T09:30:00Z")
	s.says(t, 2, "replay -since 1h -webhook x", "say whose webhook it is: -org")
	s.says(t, 1, "replay -since 1h -org acme -webhook "+two.ID, "acme has no webhook")
	s.says(t, 1, "replay -since 2300-01-01T00:00:00Z", "since must be before until")
	s.says(t, 0, "replay -since 1h -org acme -webhook "+one.ID, "acme "+one.ID+`  rec_\w+: 3 events to examine`)
	s.says(t, 0, "replay -since 2000-01-01T00:00:00Z", "acme "+one.ID+"  passed over: ", "acme "+off.ID+"  passed over: This webhook is disabled", "other "+two.ID+`  rec_\w+: 0 events`)
	list, err := s.db.ListRecoveries(t.Context(), "acme", one.ID, 10)
	if err != nil || len(list) != 1 || list[0].Total != 3 || list[0].DryRun {
		t.Fatalf("%+v, %v", list, err)
	}
	if got := s.entries(t, "acme"); !slices.Equal(got, []string{"operator olga recovery.started " + list[0].ID}) {
		t.Errorf("%q", got)
	}
}

// A dry run waits for its count; a dispatcher makes it.
func TestReplayWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.webhook(t, "acme", webhook.SendCallLogs)
	said := make(chan string, 1)
	go func() {
		_, out, errs := s.run(t, "replay", "-since", "1h", "-dry-run")
		said <- out + errs
	}()
	for { // as a dispatcher does
		r, ok, err := s.db.ClaimRecovery(t.Context(), "replica", time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			continue
		}
		if !r.DryRun || r.WebhookID != w.ID {
			t.Errorf("%+v", r)
		}
		r.Examined, r.Total, r.Queued = 9, 9, 4
		if _, err := s.db.AdvanceRecovery(t.Context(), "replica", r.End("done", "", time.Now()), time.Now()); err != nil {
			t.Fatal(err)
		}
		break
	}
	if got := <-said; !strings.Contains(got, "done: 9 examined, 4 missed.") {
		t.Error(got)
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := event.Sample(event.CallCompleted, "acme", "evt_1", time.Now())
	for n, m := range []stream.Message{
		{Subject: proto.SubjectEvent("acme", "call.completed"), Data: good.Body()},
		{Subject: proto.SubjectEvent("acme", "call.completed"), Data: []byte("no JSON")},
		{Subject: proto.SubjectEvent("other", "call.completed"), Data: good.Body()}, // of acme's
	} {
		m.Sequence = uint64(n + 1)
		if err := s.conn.Reject(t.Context(), &m, "It was not known then."); err != nil {
			t.Fatal(err)
		}
	}
	s.says(t, 0, "rejected list", `(?m)^1  \S+Z  \d+ B +dialnote.events.acme.call.completed +It was not known then.$`, `(?m)^2 `, `(?m)^3 .*dialnote.events.other`)
	if out := s.says(t, 0, "rejected list -limit 1", "there are more than 1"); strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	if out := s.says(t, 0, "rejected list -org other"); strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	if out := s.says(t, 0, "rejected list -since 2200-01-01T00:00:00Z"); out != "" {
		t.Errorf("%q", out)
	}
	s.says(t, 0, "rejected show 1", "reason:       It was not known then.", "now:          understood by this version", `"id":"evt_1"`)
	s.says(t, 0, "rejected show 3", "now:          still not understood: subject-mismatch")
	s.says(t, 2, "rejected show one", "one is no sequence")
	s.says(t, 1, "rejected show 9", "There is no rejected message 9")
	s.says(t, 2, "rejected requeue", "name the messages by their sequences, or say -all")
	s.says(t, 1, "rejected requeue 2", "2: rejected message 2 still cannot be understood", "1 of 1 were not requeued")
	s.says(t, 1, "rejected requeue -all", "1: event evt_1 of acme published again", "2: ", "3: ", "2 of 3 were not requeued")
	stored := s.nats.Stored(t, proto.StreamEvents)
	if len(stored) != 1 || proto.ParseStored(stored[0].Subject).Subject != "dialnote.events.acme.call.completed" || !bytes.Equal(stored[0].Data, good.Body()) {
		t.Errorf("%d events are stored: %+v", len(stored), stored)
	}
	if out := s.says(t, 0, "rejected list"); strings.HasPrefix(out, "1 ") || strings.Count(out, "\n") != 2 {
		t.Errorf("%q", out)
	}
	if got := s.entries(t, "acme"); !slices.Equal(got, []string{"operator olga event.requeued evt_1"}) {
		t.Errorf("%q", got)
	}
}

// A command takes the streams as they are: it does not know the services'
// settings.
func TestCommandsLeaveTheStreamsAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.environ["DIALNOTE_RETENTION"], s.environ["DIALNOTE_API_TOKENS"] = "6h", "test:0123456789abcdef"
	s.says(t, 0, "rejected list")
	s.says(t, 0, "doctor -egress none", "WARN  settings  DIALNOTE_PUBLIC_URL", "0 failed")
	if kept := s.nats.Kept(t, proto.StreamEvents); kept != 24*time.Hour {
		t.Errorf("events are kept for %s now", kept)
	}
	s.nats.Stop()
	s.says(t, 1, "doctor -egress none -timeout 100ms", "FAIL  nats      not reached")
}
