package e2e_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// takes returns how many bytes the files of a folder have whose names begin so.
func takes(t *testing.T, dir, prefix string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), prefix) {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// noteOf publishes a note with a text of so many bytes and returns the size of the event.
func noteOf(t *testing.T, c *client, bytes int) (status, size int) {
	t.Helper()
	body := map[string]any{"type": "note.created", "data": map[string]any{
		"noteId": "n1", "conversationId": "c1", "body": strings.Repeat("x", bytes), "authorId": "u1", "createdAt": "2026-11-02T09:30:00Z",
	}}
	status, _ = c.request(t, http.MethodPost, organization+"/events", body)
	return status, bytes + 250 // the rest of it
}

// One organization has 100 webhooks that were disabled automatically, and 25 MiB of
// events. On the disk of NATS they take what the events take by themselves, and in the
// database each delivery that waits no more than it is counted as.
func TestEventsThatWaitForManyWebhooksAreKeptOnce(t *testing.T) {
	t.Parallel()
	const webhooks, total, each = 100, 25 << 20, 60_000
	dir, env := t.TempDir(), privateInstallation()
	r, receiverURL := newReceiver(t)
	r.Set("/gone", receiver.Statuses(http.StatusGone))
	s := startStandalone(t, dir, env)
	var last hook
	for range webhooks {
		last = s.client.create(t, receiverURL, "/gone", event.NoteCreated)
	}
	noteOf(t, s.client, 1)
	var list struct{ Data []struct{ Status string } }
	await(t, "each webhook is disabled", func() error {
		s.client.call(t, http.MethodGet, organization+"/webhooks?limit=100", nil, http.StatusOK, &list)
		for _, w := range list.Data {
			if w.Status != "auto_disabled" {
				return errors.New("one is " + w.Status)
			}
		}
		return nil
	})
	held := s.client.hook(t, last.ID).HeldEvents
	data := filepath.Join(dir, "data")
	nats, database := takes(t, filepath.Join(data, "nats"), ""), takes(t, data, "webhooks.db")
	published, events := int64(0), int64(0)
	for ; published < total; events++ {
		status, size := noteOf(t, s.client, each)
		if status != http.StatusAccepted {
			t.Fatalf("event %d was answered with %d", events, status)
		}
		published += int64(size)
	}
	heldBecome(t, s.client, last.ID, held+events)
	s.stop(t) // all is in the files
	nats, database = takes(t, filepath.Join(data, "nats"), "")-nats, takes(t, data, "webhooks.db")-database
	perDelivery := database / (events * webhooks)
	t.Logf("%d events, %d bytes: %d bytes in NATS, %d in the database, %d for each of %d deliveries that wait",
		events, published, nats, database, perDelivery, events*webhooks)
	if nats > published/10*12 {
		t.Errorf("%d bytes of events take %d bytes in NATS", published, nats)
	}
	if perDelivery > quota.WaitingBytes {
		t.Errorf("a delivery that waits takes %d bytes, it is counted as %d", perDelivery, quota.WaitingBytes)
	}
}

// An organization that has reached its quota is refused, another one is not, and what
// was accepted is delivered.
func TestAnOrganizationAtItsQuota(t *testing.T) {
	t.Parallel()
	dir, env := t.TempDir(), privateInstallation()
	env["ORGANIZATION_EVENTS_MAX_BYTES"] = "1MiB"
	r, receiverURL := newReceiver(t)
	s := startStandalone(t, dir, env)
	s.client.create(t, receiverURL, "/notes", event.NoteCreated)
	accepted := 0
	for accepted < 100 {
		status, _ := noteOf(t, s.client, 60_000)
		if status == http.StatusTooManyRequests {
			break
		}
		if status != http.StatusAccepted {
			t.Fatalf("answered with %d", status)
		}
		accepted++
	}
	if accepted < 15 || accepted > 17 {
		t.Errorf("%d events of 60 kB were accepted within 1 MiB", accepted)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.WaitCount(ctx, "/notes", uint64(accepted)); err != nil {
		t.Errorf("of %d accepted events some were not delivered: %v", accepted, err)
	}
	other := map[string]any{"type": "note.created", "data": map[string]any{
		"noteId": "n1", "conversationId": "c1", "body": "Hi", "authorId": "u1", "createdAt": "2026-11-02T09:30:00Z",
	}}
	s.client.call(t, http.MethodPost, "other/events", other, http.StatusAccepted, nil)
	if status, text, err := get(s.client.base + "/readyz"); status != http.StatusOK || err != nil {
		t.Errorf("not ready because of a quota: %d %s %v", status, text, err)
	}
	s.stop(t)
}
