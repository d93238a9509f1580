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
// one with New, ParseJSON or ParseProto, which check every rule.
type Event struct {
	ID             string
	Type           Type
	Timestamp      time.Time // UTC
	OrganizationID string
	Data           []byte // the canonical text of the data object
}
