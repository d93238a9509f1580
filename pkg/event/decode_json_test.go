package event_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

const (
	callData      = `{"callSid":"c","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":180}`
	recordingData = `{"callSid":"c","recordingSid":"r","recordingUrl":"https://r.example/1","duration":0}`
	noteData      = `{"noteId":"n","conversationId":"v","body":"b","authorId":"a","createdAt":"2024-01-15T10:30:00Z"}`
)

// envelopeText returns an event's text with the values given as JSON.
func envelopeText(id, kind, timestamp, org, data string) string {
	return fmt.Sprintf(`{"id":%s,"type":%s,"timestamp":%s,"organizationId":%s,"data":%s}`, id, kind, timestamp, org, data)
}

func withData(kind event.Type, data string) string {
	return envelopeText(`"e"`, `"`+string(kind)+`"`, `"2024-01-15T10:30:00Z"`, `"o"`, data)
}

// pointers returns the pointers of an Invalid error.
func pointers(t *testing.T, err error) []string {
	t.Helper()
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("want an Invalid error, got %v", err)
	}
	var all []string
	for _, f := range fault.Of(err).Fields {
		if f.Detail == "" || !strings.HasSuffix(f.Detail, ".") {
			t.Errorf("the detail of %s is no sentence: %q", f.Pointer, f.Detail)
		}
		all = append(all, f.Pointer)
	}
	return all
}

// Each row is a text that is accepted (want "") or refused for one field.
func TestParseJSONRules(t *testing.T) {
	t.Parallel()
	id := func(v string) string {
		return envelopeText(v, `"note.created"`, `"2024-01-15T10:30:00Z"`, `"o"`, noteData)
	}
	kind := func(v string) string { return envelopeText(`"e"`, v, `"2024-01-15T10:30:00Z"`, `"o"`, noteData) }
	at := func(v string) string { return envelopeText(`"e"`, `"note.created"`, v, `"o"`, noteData) }
	org := func(v string) string {
		return envelopeText(`"e"`, `"note.created"`, `"2024-01-15T10:30:00Z"`, v, noteData)
	}
	call := func(from, to string) string {
		return withData(event.CallCompleted, strings.Replace(callData, from, to, 1))
	}
	recording := func(from, to string) string {
		return withData(event.RecordingCompleted, strings.Replace(recordingData, from, to, 1))
	}
	note := func(from, to string) string {
		return withData(event.NoteCreated, strings.Replace(noteData, from, to, 1))
	}
	for _, c := range []struct{ text, want string }{
		{id(`"` + strings.Repeat("x", 128) + `"`), ""},
		{id(`"` + strings.Repeat("x", 129) + `"`), "/id"},
		{id(`"AZaz09_-"`), ""},
		{id(`"\u0061"`), ""},
		{id(`""`), "/id"},
		{id(`"a.b"`), "/id"},
		{id(`"a b"`), "/id"},
		{id(`"a\n"`), "/id"},
		{id(`"é"`), "/id"},
		{id(`"a@"`), "/id"},
		{id(`"a["`), "/id"},
		{id("\"a`\""), "/id"},
		{id(`"a{"`), "/id"},
		{id(`7`), "/id"},
		{id(`null`), "/id"},
		{org(`"` + strings.Repeat("x", 64) + `"`), ""},
		{org(`"` + strings.Repeat("x", 65) + `"`), "/organizationId"},
		{org(`""`), "/organizationId"},
		{org(`"a/b"`), "/organizationId"},
		{org(`["o"]`), "/organizationId"},
		{kind(`"note.created"`), ""},
		{kind(`"note.\u0063reated"`), ""},
		{kind(`"note.createdx"`), "/type"},
		{kind(`"Note.created"`), "/type"},
		{kind(`"disabled"`), "/type"},
		{kind(`""`), "/type"},
		{kind(`null`), "/type"},
		{at(`"2024-02-29T23:59:59.999999999Z"`), ""},
		{at(`"2024-01-15t10:30:00z"`), ""},
		{at(`"2024-01-15T10:30:00-23:59"`), ""},
		{at(`"0000-01-01T00:00:00Z"`), ""},
		{at(`"9999-12-31T23:59:59Z"`), ""},
		{at(`"2024-01-15T10:30:00.1234567890Z"`), "/timestamp"},
		{at(`"2023-02-29T10:30:00Z"`), "/timestamp"},
		{at(`"2024-01-15T24:00:00Z"`), "/timestamp"},
		{at(`"2024-01-15T23:59:60Z"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00"`), "/timestamp"},
		{at(`"2024-01-15 10:30:00Z"`), "/timestamp"},
		{at(`"2024-01-15T9:30:00Z"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00,5Z"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00.Z"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00+24:00"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00+01:60"`), "/timestamp"},
		{at(`"2024-01-15T10:30:00+0100"`), "/timestamp"},
		{at(`"0000-01-01T00:00:00+00:01"`), "/timestamp"},
		{at(`"9999-12-31T23:59:59-00:01"`), "/timestamp"},
		{at(`"2024-01-15"`), "/timestamp"},
		{at(`""`), "/timestamp"},
		{at(`1705314600`), "/timestamp"},
		{withData(event.NoteCreated, `[]`), "/data"},
		{withData(event.NoteCreated, `"{}"`), "/data"},
		{withData(event.NoteCreated, `null`), "/data"},
		{call("", ""), ""},
		{call(`"c"`, `""`), "/data/callSid"},
		{call(`"c"`, `1`), "/data/callSid"},
		{call(`"c"`, `null`), "/data/callSid"},
		{call(`"callSid"`, `"callsid"`), "/data/callSid"},
		{call(`inbound`, `outbound`), ""},
		{call(`inbound`, `Inbound`), "/data/direction"},
		{call(`inbound`, ``), "/data/direction"},
		{call(`"inbound"`, `true`), "/data/direction"},
		{call(`completed`, `no-answer`), ""},
		{call(`completed`, `busy`), ""},
		{call(`completed`, `failed`), ""},
		{call(`completed`, `canceled`), ""},
		{call(`completed`, `voicemail`), ""},
		{call(`completed`, `cancelled`), "/data/status"},
		{call(`completed`, `no_answer`), "/data/status"},
		{call(`+15551234567`, `+12`), ""},
		{call(`+15551234567`, `+123456789012345`), ""},
		{call(`+15551234567`, `\u002b12`), ""},
		{call(`+15551234567`, `+1`), "/data/phoneNumber"},
		{call(`+15551234567`, `+1234567890123456`), "/data/phoneNumber"},
		{call(`+15551234567`, `+05551234567`), "/data/phoneNumber"},
		{call(`+15551234567`, `15551234567`), "/data/phoneNumber"},
		{call(`+15551234567`, `+1 555 123`), "/data/phoneNumber"},
		{call(`+15551234567`, `+1555٣`), "/data/phoneNumber"},
		{call(`"+15551234567"`, `15551234567`), "/data/phoneNumber"},
		{call(`180`, `0`), ""},
		{call(`180`, `-0`), ""},
		{call(`180`, `180.0`), ""},
		{call(`180`, `1.8e2`), ""},
		{call(`180`, `9007199254740991`), ""},
		{call(`180`, `9007199254740992`), "/data/duration"},
		{call(`180`, `1e300`), "/data/duration"},
		{call(`180`, `1e400`), "/data/duration"},
		{call(`180`, `-1`), "/data/duration"},
		{call(`180`, `0.5`), "/data/duration"},
		{call(`180`, `"180"`), "/data/duration"},
		{call(`180`, `null`), "/data/duration"},
		{call(`180`, `180,"duration":-1`), "/data/duration"},
		{call(`180`, `-1,"duration":180`), ""},
		{recording("", ""), ""},
		{recording(`https`, `HTTPS`), ""},
		{recording(`https://r.example/1`, `https://r.example:8443/a?b=c#d`), ""},
		{recording(`https`, `http`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `/1`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `//r.example/1`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `https:r.example`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `https://`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `https://:443/`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `https://r.example/a b`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, `https://r.example/\n`), "/data/recordingUrl"},
		{recording(`https://r.example/1`, ``), "/data/recordingUrl"},
		{recording(`"https://r.example/1"`, `1`), "/data/recordingUrl"},
		{recording(`"r"`, `""`), "/data/recordingSid"},
		{recording(`"c"`, `[]`), "/data/callSid"},
		{recording(`:0}`, `:-1}`), "/data/duration"},
		{note("", ""), ""},
		{note(`"n"`, `""`), "/data/noteId"},
		{note(`"v"`, `{}`), "/data/conversationId"},
		{note(`"b"`, `""`), "/data/body"},
		{note(`"b"`, `"\""`), ""},
		{note(`"a"`, `false`), "/data/authorId"},
		{note(`2024-01-15T10:30:00Z`, `2024-01-15T10:30:00.123456789012+05:30`), ""},
		{note(`2024-01-15T10:30:00Z`, `15 January 2024`), "/data/createdAt"},
		{note(`"2024-01-15T10:30:00Z"`, `0`), "/data/createdAt"},
	} {
		_, err := event.ParseJSON([]byte(c.text))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s is accepted, want %s refused", c.text, c.want)
			continue
		}
		if got := pointers(t, err); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: wrong fields %v, want %s", c.text, got, c.want)
		}
	}
}

func TestParseJSONNamesEveryMissingField(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                     "/id /organizationId /type /timestamp /data",
		withData(event.CallCompleted, `{}`):      "/data/callSid /data/direction /data/phoneNumber /data/status /data/duration",
		withData(event.RecordingCompleted, `{}`): "/data/callSid /data/recordingSid /data/recordingUrl /data/duration",
		withData(event.NoteCreated, `{}`):        "/data/noteId /data/conversationId /data/body /data/authorId /data/createdAt",
		`{"id":1,"type":"x","timestamp":2,"organizationId":3,"data":4,"extra":5,"a/b~c":6}`: "/extra /a~1b~0c /id /organizationId /type /timestamp /data",
		`[]`: "", `7`: "", ` "text" `: "",
	} {
		_, err := event.ParseJSON([]byte(text))
		if got := strings.Join(pointers(t, err), " "); got != want {
			t.Errorf("%s: wrong fields %s, want %s", text, got, want)
		}
	}
}

func TestParseJSONRefusesRepeatedAndUnknownKeys(t *testing.T) {
	t.Parallel()
	whole := withData(event.NoteCreated, noteData)
	for _, key := range []string{"id", "type", "timestamp", "organizationId", "data"} {
		_, err := event.ParseJSON([]byte(strings.Replace(whole, "{", `{"`+key+`":null,`, 1)))
		if got := pointers(t, err); got[0] != "/"+key {
			t.Errorf("%s twice: wrong fields %v", key, got)
		}
	}
	for _, key := range []string{"ID", "extra", "0", "__proto__", ""} {
		_, err := event.ParseJSON([]byte(strings.Replace(whole, "{", `{"`+key+`":null,`, 1)))
		if got := pointers(t, err); len(got) != 1 || got[0] != "/"+key {
			t.Errorf("unknown key %q: wrong fields %v", key, got)
		}
	}
	_, err := event.ParseJSON([]byte("{" + strings.Repeat(`"k":1,`, 5000) + whole[1:]))
	if got := pointers(t, err); len(got) != 20 {
		t.Errorf("the list of wrong fields has %d entries", len(got))
	}
	_, err = event.ParseJSON([]byte(`{"` + strings.Repeat("ké", 5000) + `":1,` + whole[1:]))
	if got := pointers(t, err); len(got) != 1 || len(got[0]) > 110 {
		t.Errorf("a long key is shown whole: %v", got)
	}
}

func TestParseJSONMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"id":}`, withData(event.NoteCreated, noteData) + "x", "{\"id\":\"\xff\"}", "nul", `{"data":{"a":"` + "\xed\xa0\x80" + `"}}`} {
		_, err := event.ParseJSON([]byte(text))
		if !fault.Is(err, fault.Malformed) || !strings.Contains(fault.Of(err).Detail, "at byte ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseJSONBoundsSize(t *testing.T) {
	t.Parallel()
	sized := func(size int, fill string) string {
		head := strings.TrimSuffix(noteData, "}") + `,"more":"`
		return withData(event.NoteCreated, head+strings.Repeat(fill, size-len(head)-len(`"}`))+`"}`)
	}
	if _, err := event.ParseJSON([]byte(sized(event.MaxDataBytes, "x"))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := event.ParseJSON([]byte(sized(event.MaxDataBytes, `\u0078`))); err != nil {
		t.Errorf("at the limit, in escapes: %v", err)
	}
	_, err := event.ParseJSON([]byte(sized(event.MaxDataBytes+1, "x")))
	if got := pointers(t, err); len(got) != 1 || got[0] != "/data" {
		t.Errorf("above the limit: %v", got)
	}
	// Numbers grow: the limit is of what is sent.
	grown := strings.TrimSuffix(noteData, "}") + `,"more":[` + strings.Repeat("1e20,", 4000) + `1]}`
	_, err = event.ParseJSON([]byte(withData(event.NoteCreated, grown)))
	if got := pointers(t, err); len(got) != 1 || got[0] != "/data" {
		t.Errorf("grown above the limit: %v", got)
	}
	text := withData(event.NoteCreated, noteData)
	text += strings.Repeat(" ", event.MaxTextBytes-len(text))
	if _, err := event.ParseJSON([]byte(text)); err != nil {
		t.Errorf("white space up to the text's limit: %v", err)
	}
	if _, err := event.ParseJSON([]byte(text + " ")); !fault.Is(err, fault.TooLarge) {
		t.Errorf("white space beyond it: %v", err)
	}
}

func TestParseJSONBoundsDepth(t *testing.T) {
	t.Parallel()
	nested := func(levels int) []byte { // the data object is the first level
		return []byte(withData(event.NoteCreated, strings.TrimSuffix(noteData, "}")+
			`,"more":`+strings.Repeat("[", levels-1)+strings.Repeat("]", levels-1)+"}"))
	}
	if _, err := event.ParseJSON(nested(event.MaxDataDepth)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := event.ParseJSON(nested(event.MaxDataDepth + 1))
	if got := pointers(t, err); len(got) != 1 || got[0] != "/data" {
		t.Errorf("above the limit: %v", got)
	}
}

func TestParseJSONRefusesPrototypeKeys(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{
		`"__proto__":1`:                                             "/data/__proto__",
		`"\u005f_proto__":{}`:                                       "/data/__proto__",
		`"a":[0,[{"b/c":{"__proto__":{}}}]]`:                        "/data/a/1/0/b~1c/__proto__",
		`"constructor":{"prototype":1}`:                             "/data/constructor",
		`"a":[{"constructor":{"x":[1],"prot\u006ftype":null}}]`:     "/data/a/0/constructor",
		`"constructor":{"constructor":{"prototype":{}}}`:            "/data/constructor/constructor",
		`"a":{"__proto__":1},"b":{"__proto__":2}`:                   "/data/a/__proto__ /data/b/__proto__",
		`"constructor":1`:                                           "",
		`"constructor":"{\"prototype\":1}"`:                         "",
		`"constructor":[{"prototype":1}]`:                           "",
		`"constructor":{"a":{"prototype":1}}`:                       "",
		`"prototype":{"constructor":1}`:                             "",
		`"a":"__proto__","b":["__proto__"],"__proto":1,"proto__":2`: "",
		`"a":"\"__proto__\":","b":{},"c":[],"d":[{},[]]`:            "",
	} {
		data := strings.TrimSuffix(noteData, "}") + "," + more + "}"
		_, err := event.ParseJSON([]byte(withData(event.NoteCreated, data)))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", more, err)
			}
			continue
		}
		if got := strings.Join(pointers(t, err), " "); got != want {
			t.Errorf("%s: wrong fields %s, want %s", more, got, want)
		}
	}
}

func TestTimestampKeepsItsPrecision(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"2024-01-15T10:30:00Z":                "2024-01-15T10:30:00Z",
		"2024-01-15T10:30:00.000Z":            "2024-01-15T10:30:00.000Z",
		"2024-01-15T10:30:00.120+00:00":       "2024-01-15T10:30:00.120Z",
		"2024-01-15T10:30:00.5-00:00":         "2024-01-15T10:30:00.5Z",
		"2024-01-01T00:30:00+05:45":           "2023-12-31T18:45:00Z",
		"2024-01-15t10:30:00.123456789z":      "2024-01-15T10:30:00.123456789Z",
		"2024-01-15T10:30:00.999999999-12:00": "2024-01-15T22:30:00.999999999Z",
	} {
		ev, err := event.ParseJSON([]byte(envelopeText(`"e"`, `"note.created"`, `"`+given+`"`, `"o"`, noteData)))
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		if !bytes.Contains(ev.Body(), []byte(`"timestamp":"`+want+`"`)) {
			t.Errorf("%s became %s", given, ev.Body())
		}
		wantTime, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			t.Fatal(err)
		}
		if !ev.Timestamp.Equal(wantTime) || ev.Timestamp.Location() != time.UTC {
			t.Errorf("%s is the time %v", given, ev.Timestamp)
		}
	}
}
