package event_test

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

func TestParseSubmissionFillsWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 89_999_999, time.FixedZone("", 3600))
	ev, err := event.ParseSubmission([]byte(`{"type":"note.created","data":`+noteData+`}`), "org_1", now)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^evt_[0-9a-hjkmnp-tv-z]{26}$`).MatchString(ev.ID) {
		t.Errorf("id %s", ev.ID)
	}
	if ev.OrganizationID != "org_1" || !bytes.Contains(ev.Body(), []byte(`"timestamp":"2026-03-04T04:06:07.089Z"`)) {
		t.Errorf("body %s", ev.Body())
	}
}

func TestParseSubmissionKeepsWhatIsGiven(t *testing.T) {
	t.Parallel()
	text := withData(event.NoteCreated, noteData)
	ev, err := event.ParseSubmission([]byte(text), "o", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(ev.Body()); got != text {
		t.Errorf("body %s", got)
	}
}

func TestParseSubmissionRefuses(t *testing.T) {
	t.Parallel()
	text := []byte(withData(event.NoteCreated, noteData))
	_, err := event.ParseSubmission(text, "other", time.Now())
	if got := pointers(t, err); len(got) != 1 || got[0] != "/organizationId" {
		t.Errorf("another organization: %v", got)
	}
	_, err = event.ParseSubmission([]byte(`{"id":null,"timestamp":null,"organizationId":null,"type":"note.created","data":`+noteData+`}`), "o", time.Now())
	if got := pointers(t, err); len(got) != 3 {
		t.Errorf("nulls: %v", got)
	}
	_, err = event.ParseSubmission([]byte(`{}`), "o", time.Now())
	if got := pointers(t, err); len(got) != 2 || got[0] != "/type" || got[1] != "/data" {
		t.Errorf("nothing: %v", got)
	}
	if _, err = event.ParseSubmission([]byte(`{`), "o", time.Now()); !fault.Is(err, fault.Malformed) {
		t.Errorf("broken: %v", err)
	}
}

func TestNewIDSortsByTime(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	last := ""
	for at := time.UnixMilli(1<<31 - 500); at.Before(time.UnixMilli(1<<31 + 500)); at = at.Add(time.Millisecond) {
		id := event.NewID(at)
		if id <= last || seen[id] {
			t.Fatalf("%s after %s", id, last)
		}
		seen[id], last = true, id
	}
	// The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
	if id := event.NewID(time.UnixMilli(1469918176385)); id[:14] != "evt_01aryz6s41" {
		t.Errorf("id %s", id)
	}
	if id := event.NewTestID(time.Now()); !regexp.MustCompile(`^evt_test_[0-9a-z]{26}$`).MatchString(id) {
		t.Errorf("test id %s", id)
	}
}
