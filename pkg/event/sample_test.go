package event_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

var testNow = time.Date(2026, 11, 23, 10, 30, 0, 5, time.UTC)

func TestATestWithoutDataIsASample(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types() {
		for _, text := range []string{"", "{}", " {\n} "} {
			e, err := event.ParseTest([]byte(text), kind, "acme", testNow)
			if err != nil {
				t.Fatalf("%s, %q: %v", kind, text, err)
			}
			sample := event.Sample(kind, "acme", e.ID, testNow)
			if !regexp.MustCompile(`^evt_test_[0-9a-z]{26}$`).MatchString(e.ID) || !bytes.Equal(e.Body(), sample.Body()) {
				t.Errorf("%s, %q: %s", kind, text, e.Body())
			}
			if again, err := event.ParseJSON(e.Body()); err != nil || !bytes.Equal(again.Body(), e.Body()) {
				t.Errorf("%s: the body is not that of an event: %v", kind, err)
			}
		}
	}
}

func TestATestHasTheDataGivenInItsOrder(t *testing.T) {
	t.Parallel()
	const data = `{"z":"\u00fc","noteId":"n","conversationId":"c","body":"b","authorId":"a","createdAt":"2026-11-23T10:30:00Z","a":1e0}`
	e, err := event.ParseTest([]byte(`{"data":`+data+`}`), event.NoteCreated, "acme", testNow)
	if err != nil {
		t.Fatal(err)
	}
	want := `","type":"note.created","timestamp":"2026-11-23T10:30:00Z","organizationId":"acme","data":{"z":"ü","noteId":"n",` +
		`"conversationId":"c","body":"b","authorId":"a","createdAt":"2026-11-23T10:30:00Z","a":1}}`
	if got := string(e.Body()); !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestATestRefusesWhatCannotBeChosen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"id":"evt_1"}`:                       {"/id"},
		`{"type":"note.created"}`:              {"/type"},
		`{"timestamp":"2026-11-23T10:30:00Z"}`: {"/timestamp"},
		`{"organizationId":"acme"}`:            {"/organizationId"},
		`{"colour":1,"id":2}`:                  {"/colour", "/id"},
		`{"data":null}`:                        {"/data"},
		`{"data":[]}`:                          {"/data"},
		`{"data":{},"data":{}}`:                {"/data", "/data/noteId", "/data/conversationId", "/data/body", "/data/authorId", "/data/createdAt"},
	} {
		_, err := event.ParseTest([]byte(text), event.NoteCreated, "acme", testNow)
		f := fault.Of(err)
		if f == nil || f.Kind != fault.Invalid {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, field := range f.Fields {
			got = append(got, field.Pointer)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: wrong fields %v, want %v", text, got, want)
		}
	}
	for text, kind := range map[string]fault.Kind{`{`: fault.Malformed, ` `: fault.Malformed, `[]`: fault.Invalid} {
		if _, err := event.ParseTest([]byte(text), event.NoteCreated, "acme", testNow); !fault.Is(err, kind) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
