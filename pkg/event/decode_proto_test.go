package event_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

func binary(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func noteMessage() *webhooksv1.NoteCreated {
	return &webhooksv1.NoteCreated{
		NoteId: "n", ConversationId: "v", Body: "b \"<\u2028>", AuthorId: "a",
		CreatedAt: timestamppb.New(time.Date(2024, 1, 15, 10, 30, 0, 120_000_000, time.UTC)),
	}
}

func callMessage() *webhooksv1.CallCompleted {
	return &webhooksv1.CallCompleted{
		CallSid: "c", PhoneNumber: "+15551234567", Duration: 180,
		Direction: webhooksv1.CallDirection_CALL_DIRECTION_OUTBOUND, Status: webhooksv1.CallStatus_CALL_STATUS_NO_ANSWER,
	}
}

func noteEvent(m *webhooksv1.NoteCreated) *webhooksv1.Event {
	return &webhooksv1.Event{
		Id: "e", OrganizationId: "o", Timestamp: timestamppb.New(time.Unix(1705314600, 5)),
		Data: &webhooksv1.Event_NoteCreated{NoteCreated: m},
	}
}

func callEvent(m *webhooksv1.CallCompleted) *webhooksv1.Event {
	e := noteEvent(nil)
	e.Data = &webhooksv1.Event_CallCompleted{CallCompleted: m}
	return e
}

func recordingEvent(change func(*webhooksv1.RecordingCompleted)) *webhooksv1.Event {
	m := &webhooksv1.RecordingCompleted{CallSid: "c", RecordingSid: "r", RecordingUrl: "https://r.example/1"}
	change(m)
	e := noteEvent(nil)
	e.Data = &webhooksv1.Event_RecordingCompleted{RecordingCompleted: m}
	return e
}

func TestParseProtoBodies(t *testing.T) {
	t.Parallel()
	extra := func(text string) *webhooksv1.Event {
		m := noteMessage()
		m.ExtraJson = &text
		return noteEvent(m)
	}
	const note = `"noteId":"n","conversationId":"v","body":"b \"<` + "\u2028" + `>","authorId":"a","createdAt":"2024-01-15T10:30:00.12Z"`
	for _, c := range []struct {
		message *webhooksv1.Event
		data    string
	}{
		{noteEvent(noteMessage()), `{` + note + `}`},
		{extra(` { } `), `{` + note + `}`},
		{extra(`{"z":1.0,"\u0061":[ ]}`), `{` + note + `,"z":1,"a":[]}`},
		{extra(`{"z":1,"7":2}`), `{"7":2,` + note + `,"z":1}`},
		{callEvent(callMessage()), `{"callSid":"c","direction":"outbound","phoneNumber":"+15551234567","status":"no-answer","duration":180}`},
		{recordingEvent(func(m *webhooksv1.RecordingCompleted) {}), recordingData},
		{
			recordingEvent(func(m *webhooksv1.RecordingCompleted) {
				m.Direction = webhooksv1.CallDirection(99).Enum() // of a later release
				m.Channels = proto.Int32(2)
				m.SizeBytes = proto.Int64(1<<53 - 1)
				m.Format = new("")
			}),
			strings.TrimSuffix(recordingData, "}") + `,"format":"","sizeBytes":9007199254740991,"channels":2}`,
		},
	} {
		ev, err := event.ParseProto(binary(t, c.message))
		if err != nil {
			t.Errorf("%v: %v", c.message, err)
			continue
		}
		want := `{"id":"e","type":"` + string(ev.Type) + `","timestamp":"2024-01-15T10:30:00.000000005Z","organizationId":"o","data":` + c.data + `}`
		if got := string(ev.Body()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if again, err := event.Canonical(ev.Body()); err != nil || string(again) != want {
			t.Errorf("%s is canonically %s, %v", want, again, err)
		}
	}
}

func TestParseProtoRules(t *testing.T) {
	t.Parallel()
	note := func(change func(*webhooksv1.NoteCreated)) *webhooksv1.Event {
		m := noteMessage()
		change(m)
		return noteEvent(m)
	}
	call := func(change func(*webhooksv1.CallCompleted)) *webhooksv1.Event {
		m := callMessage()
		change(m)
		return callEvent(m)
	}
	whole := func(change func(*webhooksv1.Event)) *webhooksv1.Event {
		e := noteEvent(noteMessage())
		change(e)
		return e
	}
	extra := func(text string) *webhooksv1.Event {
		return note(func(m *webhooksv1.NoteCreated) { m.ExtraJson = &text })
	}
	for _, c := range []struct {
		message *webhooksv1.Event
		want    string
	}{
		{whole(func(e *webhooksv1.Event) { e.Id = "a.b" }), "/id"},
		{whole(func(e *webhooksv1.Event) { e.OrganizationId = "" }), "/organizationId"},
		{whole(func(e *webhooksv1.Event) { e.Timestamp = nil }), "/timestamp"},
		{whole(func(e *webhooksv1.Event) { e.Timestamp = &timestamppb.Timestamp{Nanos: -1} }), "/timestamp"},
		{whole(func(e *webhooksv1.Event) { e.Timestamp = &timestamppb.Timestamp{Seconds: 1 << 40} }), "/timestamp"},
		{whole(func(e *webhooksv1.Event) { e.Data = nil }), "/data"},
		{noteEvent(&webhooksv1.NoteCreated{}), "/data/noteId /data/conversationId /data/body /data/authorId /data/createdAt"},
		{note(func(m *webhooksv1.NoteCreated) { m.CreatedAt = &timestamppb.Timestamp{Seconds: -1 << 40} }), "/data/createdAt"},
		{callEvent(&webhooksv1.CallCompleted{}), "/data/callSid /data/direction /data/phoneNumber /data/status"},
		{call(func(m *webhooksv1.CallCompleted) { m.Duration = -1 }), "/data/duration"},
		{call(func(m *webhooksv1.CallCompleted) { m.Duration = 1 << 53 }), "/data/duration"},
		{call(func(m *webhooksv1.CallCompleted) { m.Direction = 99 }), "/data/direction"},
		{call(func(m *webhooksv1.CallCompleted) { m.Status = 99 }), "/data/status"},
		{call(func(m *webhooksv1.CallCompleted) { m.PhoneNumber = "555" }), "/data/phoneNumber"},
		{call(func(m *webhooksv1.CallCompleted) { m.EndedAt = &timestamppb.Timestamp{Nanos: 1e9} }), "/data/endedAt"},
		{recordingEvent(func(m *webhooksv1.RecordingCompleted) { m.RecordingUrl = "http://r.example" }), "/data/recordingUrl"},
		{recordingEvent(func(m *webhooksv1.RecordingCompleted) { m.SizeBytes = proto.Int64(1 << 53) }), "/data/sizeBytes"},
		{extra(`{`), "/data"},
		{extra(``), "/data"},
		{extra(`[]`), "/data"},
		{extra(`{"a":1},"b":{}`), "/data"},
		{extra(`{"n\u006fteId":"x","a":1}`), "/data/noteId"},
		{extra(`{"__proto__":1}`), "/data/__proto__"},
		{extra(`{"a":"` + strings.Repeat("x", event.MaxDataBytes) + `"}`), "/data"},
		{extra(`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`), "/data"},
	} {
		_, err := event.ParseProto(binary(t, c.message))
		if err == nil {
			t.Errorf("%v is accepted, want %s refused", c.message, c.want)
			continue
		}
		if got := strings.Join(pointers(t, err), " "); got != c.want {
			t.Errorf("%v: wrong fields %s, want %s", c.message, got, c.want)
		}
	}
}

func TestParseProtoCoversEveryStatus(t *testing.T) {
	t.Parallel()
	for number, name := range webhooksv1.CallStatus_name {
		m := callMessage()
		m.Status = webhooksv1.CallStatus(number)
		ev, err := event.ParseProto(binary(t, callEvent(m)))
		if number == 0 {
			continue // unspecified: refused, see above
		}
		text := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "CALL_STATUS_")), "_", "-")
		if err != nil || !strings.Contains(string(ev.Data), `"status":"`+text+`"`) {
			t.Errorf("%s: %s, %v", name, ev.Data, err)
		}
	}
}

func TestParseProtoMalformed(t *testing.T) {
	t.Parallel()
	whole := binary(t, noteEvent(noteMessage()))
	invalidUTF8 := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "\xff")
	for _, message := range [][]byte{whole[:len(whole)-1], []byte(`{"id":"e"}`), invalidUTF8} {
		if _, err := event.ParseProto(message); !fault.Is(err, fault.Malformed) {
			t.Errorf("%q: %v", message, err)
		}
	}
	if _, err := event.ParseProto(make([]byte, event.MaxTextBytes+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large message: %v", err)
	}
	// A field of a later release is left out.
	later := protowire.AppendString(protowire.AppendTag(whole, 500, protowire.BytesType), "new")
	if _, err := event.ParseProto(later); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}
