package event_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

func TestNew(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 15, 11, 30, 0, 250_000_000, time.FixedZone("", 3600))
	ev, err := event.New("e1", event.NoteCreated, at, "o1", []byte(" { \"b\" : 1.0,\n"+noteData[1:]))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"e1","type":"note.created","timestamp":"2024-01-15T10:30:00.25Z","organizationId":"o1","data":{"b":1,` + noteData[1:] + `}`
	if got := string(ev.Body()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	again, err := event.ParseJSON(ev.Body())
	if err != nil || !reflect.DeepEqual(ev, again) {
		t.Errorf("read back as %+v, %v", again, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := event.New("e\xff.", "call.started", time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), "", []byte("[]"))
	if got := pointers(t, err); len(got) != 5 {
		t.Errorf("wrong fields %v", got)
	}
	if _, err = event.New("e", event.NoteCreated, time.Now(), "o", []byte(noteData+"x")); !fault.Is(err, fault.Malformed) {
		t.Errorf("broken data: %v", err)
	}
	if _, err = event.New("e", event.NoteCreated, time.Now(), "o", make([]byte, event.MaxTextBytes+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("large data: %v", err)
	}
}

// Random objects are accepted as data, and what is sent is canonical.
func TestBodyIsCanonical(t *testing.T) {
	t.Parallel()
	r := random(t)
	accepted := 0
	for range 5_000 {
		text := []byte(withData(event.NoteCreated, noteData[:len(noteData)-1]+`,"more":`+jsonObject(r)+`}`))
		ev, err := event.ParseJSON(text)
		if err != nil { // a key that receivers refuse
			if got := pointers(t, err); len(got) == 0 {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		accepted++
		body := ev.Body()
		again, err := event.Canonical(body)
		if err != nil || !bytes.Equal(body, again) {
			t.Errorf("body %s is canonically %s, %v", body, again, err)
		}
		back, err := event.ParseJSON(body)
		if err != nil || !reflect.DeepEqual(ev, back) {
			t.Errorf("body %s is read back as %+v, %v", body, back, err)
		}
	}
	if accepted < 2_500 {
		t.Errorf("only %d of the random objects were accepted", accepted)
	}
}

// The keys of a body have one order, whatever that of the published text.
func TestBodyHasItsOwnOrder(t *testing.T) {
	t.Parallel()
	members := []string{
		`"id":"e1"`, `"type":"note.created"`, `"timestamp":"2024-01-15T10:30:00.250Z"`, `"organizationId":"o1"`, `"data":` + noteData,
	}
	want := "{" + strings.Join(members, ",") + "}"
	r := random(t)
	for range 200 {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		text := "{" + strings.Join(members, ",") + "}"
		ev, err := event.ParseJSON([]byte(text))
		if err != nil || string(ev.Body()) != want {
			t.Fatalf("%s became %s, %v", text, ev.Body(), err)
		}
	}
}

func TestBodyAllocatesNothing(t *testing.T) {
	ev, err := event.ParseJSON([]byte(withData(event.CallCompleted, callData)))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = ev.Body() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSamplesFollowTheRules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 31, 23, 59, 59, 999_999_999, time.FixedZone("", -7200))
	for _, kind := range event.Types() {
		sample := event.Sample(kind, "org_1", event.NewTestID(now), now)
		read, err := event.ParseJSON(sample.Body())
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if !bytes.Equal(read.Body(), sample.Body()) || sample.Timestamp.After(now) || sample.Type != kind {
			t.Errorf("%s: %s", kind, sample.Body())
		}
	}
}
