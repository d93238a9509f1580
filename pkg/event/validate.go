package event

import (
	"bytes"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// The limits of an event (specification, sections 1 and 3).
const (
	MaxIDLength             = 128        // characters
	MaxOrganizationIDLength = 64         // characters
	MaxDataBytes            = 64 << 10   // of the canonical text: Express refuses bodies over 100 kB
	MaxDataDepth            = 64         // levels of objects and arrays, the data object itself included
	MaxTextBytes            = 1024 << 10 // of a text as published; escapes and white space may be six times the data
)

// maxWrongFields bounds an answer: a text can hold a great many wrong keys.
const maxWrongFields = 20

// envelope is an event as it was read, before its rules are checked: the
// canonical text of each value, nil when absent.
type envelope struct {
	id, kind, timestamp, organizationID, data []byte

	// whole is the canonical text of them all when it has the form of a body, else
	// nil.
	whole []byte

	wrong []fault.Field
}

// event checks every rule and returns the event, or an error that names each
// wrong field.
func (e *envelope) event() (Event, error) {
	ev := Event{
		ID:             e.identifier("id", e.id, MaxIDLength),
		OrganizationID: e.identifier("organizationId", e.organizationID, MaxOrganizationIDLength),
		Data:           e.data,
	}
	ev.Type = e.checkType()
	var stamp []byte
	ev.Timestamp, stamp = e.checkTimestamp()
	e.checkData(ev.Type)
	if len(e.wrong) > 0 {
		return Event{}, fault.InvalidFields(e.wrong...)
	}
	if ev.body = e.whole; ev.body == nil {
		ev.body = ev.write(stamp)
	}
	return ev, nil
}

func (e *envelope) add(pointer, detail string) {
	if len(e.wrong) < maxWrongFields {
		e.wrong = append(e.wrong, fault.Field{Pointer: pointer, Detail: detail})
	}
}

// identifier returns the text of an id that has only letters, digits, hyphens
// and underscores, of which at least one and at most limit.
func (e *envelope) identifier(key string, value []byte, limit int) string {
	text, ok := plainText(value)
	if !ok || len(text) > limit || !allIdentifier(text) {
		e.add("/"+key, fmt.Sprintf("%s%s must be a string of 1 to %d letters, digits, hyphens or underscores.", key, missing(value), limit))
		return ""
	}
	return string(text)
}

func allIdentifier(text []byte) bool {
	for _, c := range text {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(text) > 0
}

func (e *envelope) checkType() Type {
	text, _ := plainText(e.kind)
	for _, t := range [...]Type{CallCompleted, RecordingCompleted, NoteCreated} {
		if string(text) == string(t) {
			return t
		}
	}
	e.add("/type", fmt.Sprintf("type%s must be call.completed, recording.completed or note.created.", missing(e.kind)))
	return ""
}

// checkTimestamp returns the time, and its text in UTC.
func (e *envelope) checkTimestamp() (at time.Time, utc []byte) {
	given, _ := plainText(e.timestamp)
	at, utc, ok := parseTimestamp(given)
	if !bytes.Equal(utc, given) {
		e.whole = nil
	}
	if !ok {
		e.add("/timestamp", fmt.Sprintf("timestamp%s must be a time in RFC 3339 with at most 9 decimals, such as 2024-01-15T10:30:00Z.", missing(e.timestamp)))
	}
	return at, utc
}

// checkData checks the data object: what holds for every type, then the fields
// that its own type must have. t is "" when the type is not known.
func (e *envelope) checkData(t Type) {
	switch {
	case len(e.data) == 0 || e.data[0] != '{':
		e.add("/data", fmt.Sprintf("data%s must be an object.", missing(e.data)))
		return
	case len(e.data) > MaxDataBytes:
		e.add("/data", fmt.Sprintf("data must be at most %d bytes of JSON; it is %d.", MaxDataBytes, len(e.data)))
		return
	}
	e.checkKeys()
	e.checkFields(t)
}

// plainText returns what is between the quotes of a string's canonical text.
// ok is false for what is not a string, or holds a character that JSON must
// escape: no rule that reads texts allows such a character.
func plainText(value []byte) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	text = value[1 : len(value)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		return nil, false
	}
	return text, true
}

// missing continues a sentence about a value that may be absent.
func missing(value []byte) string {
	if value == nil {
		return " is missing: it"
	}
	return ""
}
