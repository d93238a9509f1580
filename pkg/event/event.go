// Package event is the event: something that happened in a dialnote call, its
// validation, and the exact bytes that customers receive for it.
//
// It does no I/O and knows nothing of transports or storage.
package event

import (
	"time"
)

// Type says what happened. A webhook sends exactly one type.
type Type string

// The event types of the help page.
const (
	CallCompleted      Type = "call.completed"
	RecordingCompleted Type = "recording.completed"
	NoteCreated        Type = "note.created"
)

// Types returns the event types in the order of the help page.
func Types() []Type { return []Type{CallCompleted, RecordingCompleted, NoteCreated} }

// Known reports whether t is one of Types.
func (t Type) Known() bool {
	return t == CallCompleted || t == RecordingCompleted || t == NoteCreated
}

// Event is one thing that happened to one organization. It is immutable: make
// one with New, ParseJSON, ParseSubmission or ParseProto, which check every
// rule, or with Sample.
type Event struct {
	ID             string
	Type           Type
	Timestamp      time.Time // UTC
	OrganizationID string
	Data           []byte // the canonical text of the data object

	// body is Body's result, nil of a sample. Its timestamp is Timestamp in UTC with
	// as many decimals as the publisher gave, which a time.Time does not keep.
	body []byte
}

// New returns an event, or an error as ParseJSON does. data is the JSON text of
// the data object, in any form.
func New(id string, t Type, at time.Time, organizationID string, data []byte) (Event, error) {
	e := envelope{
		id:             appendText(nil, id),
		kind:           appendText(nil, string(t)),
		timestamp:      appendText(nil, at.UTC().Format(time.RFC3339Nano)),
		organizationID: appendText(nil, organizationID),
	}
	if err := e.readData(data); err != nil {
		return Event{}, err
	}
	return e.event()
}

// Body returns the request body that customers receive: canonical, so that
// Canonical(body) is body. All calls may return the same slice, so callers must not
// change it.
func (e Event) Body() []byte {
	if e.body != nil {
		return e.body
	}
	return e.write(e.Timestamp.UTC().AppendFormat(nil, time.RFC3339Nano))
}

// write returns the body that shows the timestamp as stamp.
func (e Event) write(stamp []byte) []byte {
	const frame = len(`{"id":"","type":"","timestamp":"","organizationId":"","data":}`)
	body := make([]byte, 0, frame+len(e.ID)+len(e.Type)+len(stamp)+len(e.OrganizationID)+len(e.Data))
	body = append(append(body, `{"id":"`...), e.ID...)
	body = append(append(body, `","type":"`...), e.Type...)
	body = append(append(body, `","timestamp":"`...), stamp...)
	body = append(append(body, `","organizationId":"`...), e.OrganizationID...)
	body = append(append(body, `","data":`...), e.Data...)
	return append(body, '}')
}
