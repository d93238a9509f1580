package stream

import (
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// Event returns the event that a message of the event stream holds. Its error is
// a fault that says what is wrong with the message.
func (m *Message) Event() (event.Event, error) {
	switch m.ContentType {
	case "", proto.ContentTypeJSON:
		return event.ParseJSON(m.Data)
	case proto.ContentTypeProtobuf:
		return event.ParseProto(m.Data)
	default:
		return event.Event{}, fault.Newf(fault.UnsupportedType, "bad-content-type",
			"The content type %q is neither %s nor %s.", m.ContentType, proto.ContentTypeJSON, proto.ContentTypeProtobuf)
	}
}

// Published is Event that also compares the subject with the event: a publisher
// may publish for the organization that its subject names and for no other.
func (m *Message) Published() (event.Event, error) {
	organization, kind, ok := proto.ParseEventSubject(m.Subject)
	if !ok {
		return event.Event{}, fault.Newf(fault.Malformed, "bad-subject",
			"The subject %q is not dialnote.events.<organization>.<event type>.", m.Subject)
	}
	e, err := m.Event()
	if err != nil {
		return event.Event{}, err
	}
	if e.OrganizationID != organization || string(e.Type) != kind {
		return event.Event{}, fault.Newf(fault.Invalid, "subject-mismatch",
			"The event is a %s of %s but was published to %s.", e.Type, e.OrganizationID, m.Subject)
	}
	return e, nil
}
