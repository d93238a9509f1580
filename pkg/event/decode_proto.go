package event

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/fault"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

// ParseProto reads an event that a platform service published as a
// dialnote.webhooks.v1.Event and checks the same rules as ParseJSON. Fields
// that this release does not know are left out, as the contract says.
//
// Its errors are ParseJSON's; their pointers name the fields as the customer's
// JSON does.
func ParseProto(message []byte) (Event, error) {
	if len(message) > MaxTextBytes {
		return Event{}, tooLarge(len(message))
	}
	var m webhooksv1.Event
	if err := proto.Unmarshal(message, &m); err != nil {
		return Event{}, fault.New(fault.Malformed, "malformed-protobuf",
			"The event is not a valid protobuf message of type dialnote.webhooks.v1.Event.").Because(err)
	}
	e := &envelope{
		id:             appendText(nil, m.GetId()),
		organizationID: appendText(nil, m.GetOrganizationId()),
	}
	if at, ok := timeText(m.GetTimestamp()); ok {
		e.timestamp = appendText(nil, at)
	} else if m.GetTimestamp() != nil {
		e.timestamp = []byte("null") // refused, but not as missing
	}
	if err := e.setData(&m); err != nil {
		return Event{}, err
	}
	return e.event()
}

// setData sets the type and the data of the one data message that is set.
func (e *envelope) setData(m *webhooksv1.Event) error {
	o := &object{envelope: e, text: []byte{'{'}}
	switch data := m.GetData().(type) {
	case *webhooksv1.Event_CallCompleted:
		e.kind = appendText(nil, string(CallCompleted))
		o.call(data.CallCompleted)
	case *webhooksv1.Event_RecordingCompleted:
		e.kind = appendText(nil, string(RecordingCompleted))
		o.recording(data.RecordingCompleted)
	case *webhooksv1.Event_NoteCreated:
		e.kind = appendText(nil, string(NoteCreated))
		o.note(data.NoteCreated)
	default:
		return fault.InvalidFields(fault.Field{
			Pointer: "/data",
			Detail:  "data is missing: set one of call_completed, recording_completed and note_created.",
		})
	}
	// Canonical but for what extra keys may do: array indexes come first.
	return e.readData(append(o.text, '}'))
}

func (o *object) call(m *webhooksv1.CallCompleted) {
	o.string("callSid", m.GetCallSid())
	o.string("direction", directionText(m.GetDirection()))
	o.string("phoneNumber", m.GetPhoneNumber())
	o.string("status", statusText(m.GetStatus()))
	o.integer("duration", m.GetDuration())
	o.optional("from", m.From)
	o.optional("to", m.To)
	o.time("startedAt", m.GetStartedAt())
	o.time("endedAt", m.GetEndedAt())
	o.optional("userId", m.UserId)
	o.optional("userName", m.UserName)
	o.optional("contactId", m.ContactId)
	o.optional("contactName", m.ContactName)
	o.optional("recordingUrl", m.RecordingUrl)
	o.strings("tags", m.GetTags())
	o.extra(m.ExtraJson)
}

func (o *object) recording(m *webhooksv1.RecordingCompleted) {
	o.string("callSid", m.GetCallSid())
	o.string("recordingSid", m.GetRecordingSid())
	o.string("recordingUrl", m.GetRecordingUrl())
	o.integer("duration", m.GetDuration())
	o.string("direction", directionText(m.GetDirection()))
	o.optional("phoneNumber", m.PhoneNumber)
	o.optional("status", m.Status)
	o.optional("format", m.Format)
	if m.SizeBytes != nil {
		o.integer("sizeBytes", m.GetSizeBytes())
	}
	if m.Channels != nil {
		o.integer("channels", int64(m.GetChannels()))
	}
	o.time("startedAt", m.GetStartedAt())
	o.optional("transcriptUrl", m.TranscriptUrl)
	o.extra(m.ExtraJson)
}

func (o *object) note(m *webhooksv1.NoteCreated) {
	o.string("noteId", m.GetNoteId())
	o.string("conversationId", m.GetConversationId())
	o.string("body", m.GetBody())
	o.string("authorId", m.GetAuthorId())
	o.time("createdAt", m.GetCreatedAt())
	o.optional("authorName", m.AuthorName)
	o.optional("callSid", m.CallSid)
	o.optional("phoneNumber", m.PhoneNumber)
	o.optional("contactId", m.ContactId)
	o.optional("contactName", m.ContactName)
	o.extra(m.ExtraJson)
}

// directionText returns "" for a direction that is not set, or that this
// release does not know.
func directionText(d webhooksv1.CallDirection) string {
	switch d {
	case webhooksv1.CallDirection_CALL_DIRECTION_UNSPECIFIED:
		return ""
	case webhooksv1.CallDirection_CALL_DIRECTION_INBOUND:
		return "inbound"
	case webhooksv1.CallDirection_CALL_DIRECTION_OUTBOUND:
		return "outbound"
	}
	return ""
}

// statusText is directionText for statuses.
func statusText(s webhooksv1.CallStatus) string {
	switch s {
	case webhooksv1.CallStatus_CALL_STATUS_UNSPECIFIED:
		return ""
	case webhooksv1.CallStatus_CALL_STATUS_COMPLETED:
		return "completed"
	case webhooksv1.CallStatus_CALL_STATUS_NO_ANSWER:
		return "no-answer"
	case webhooksv1.CallStatus_CALL_STATUS_BUSY:
		return "busy"
	case webhooksv1.CallStatus_CALL_STATUS_FAILED:
		return "failed"
	case webhooksv1.CallStatus_CALL_STATUS_CANCELED:
		return "canceled"
	case webhooksv1.CallStatus_CALL_STATUS_VOICEMAIL:
		return "voicemail"
	}
	return ""
}

// timeText returns a Timestamp in RFC 3339; ok is false when it is not set or
// outside the years 1 to 9999.
func timeText(at *timestamppb.Timestamp) (text string, ok bool) {
	if at == nil || !at.IsValid() {
		return "", false
	}
	return at.AsTime().Format(time.RFC3339Nano), true
}
