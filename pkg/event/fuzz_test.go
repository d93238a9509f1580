package event_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

func FuzzParseJSON(f *testing.F) {
	for _, text := range []string{
		withData(event.CallCompleted, callData),
		withData(event.RecordingCompleted, recordingData),
		withData(event.NoteCreated, noteData),
		withData(event.NoteCreated, strings.Replace(noteData, "{", `{"constructor":{"prototype":[]},"1":[{"__proto__":-0}],"\ud800":1e400,`, 1)),
		`{"id":null,"id":1,"\u0000":[{"a~/":{}}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ev, err := event.ParseJSON(text)
		if err != nil {
			if kind := fault.Of(err).Kind; kind != fault.Invalid && kind != fault.Malformed && kind != fault.TooLarge {
				t.Fatalf("ParseJSON(%q): %v", text, err)
			}
			return
		}
		body := ev.Body()
		start := `{"id":"` + ev.ID + `","type":"` + string(ev.Type) + `","timestamp":"`
		end := `Z","organizationId":"` + ev.OrganizationID + `","data":` + string(ev.Data) + `}`
		if len(start)+len(end) > len(body) || !strings.HasPrefix(string(body), start) || !strings.HasSuffix(string(body), end) {
			t.Fatalf("body %q does not begin with %q, or end with %q", body, start, end)
		}
		if again, err := event.Canonical(body); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("body %q is canonically %q, %v", body, again, err)
		}
		if back, err := event.ParseJSON(body); err != nil || !reflect.DeepEqual(back, ev) {
			t.Fatalf("body %q is read back as %+v, %v", body, back, err)
		}
	})
}

func FuzzParseProto(f *testing.F) {
	f.Add([]byte("\n\x01e\x1a\x01o\x22\x03\n\x01c"))
	f.Add([]byte{0x32, 0x0f, 0xa2, 0x06, 0x07, '{', '"', 'a', '"', ':', '1', '}'})
	f.Fuzz(func(t *testing.T, message []byte) {
		ev, err := event.ParseProto(message)
		if err != nil {
			if kind := fault.Of(err).Kind; kind != fault.Invalid && kind != fault.Malformed {
				t.Fatalf("ParseProto(%q): %v", message, err)
			}
			return
		}
		if back, err := event.ParseJSON(ev.Body()); err != nil || !reflect.DeepEqual(back, ev) {
			t.Fatalf("body %q is read back as %+v, %v", ev.Body(), back, err)
		}
	})
}
