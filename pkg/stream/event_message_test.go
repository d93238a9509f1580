package stream_test

import (
	"testing"
	"time"

	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

func TestPublished(t *testing.T) {
	t.Parallel()
	text := event.Sample(event.CallCompleted, "acme", "evt_1", time.Unix(1_700_000_000, 0)).Body()
	binary, err := protobuf.Marshal(&webhooksv1.Event{
		Id: "evt_1", OrganizationId: "acme", Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Data: &webhooksv1.Event_CallCompleted{CallCompleted: &webhooksv1.CallCompleted{
			CallSid: "c", PhoneNumber: "+15551234567", Duration: 180,
			Direction: webhooksv1.CallDirection_CALL_DIRECTION_INBOUND, Status: webhooksv1.CallStatus_CALL_STATUS_COMPLETED,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const right = "dialnote.events.acme.call.completed"
	for name, c := range map[string]struct {
		subject, contentType string
		data                 []byte
		want                 string // the code of the fault, "" for an event
	}{
		"json":                          {right, proto.ContentTypeJSON, text, ""},
		"json, unsaid":                  {right, "", text, ""},
		"protobuf":                      {right, proto.ContentTypeProtobuf, binary, ""},
		"another organization":          {"dialnote.events.other.call.completed", "", text, "subject-mismatch"},
		"another organization, binary":  {"dialnote.events.other.call.completed", proto.ContentTypeProtobuf, binary, "subject-mismatch"},
		"another type":                  {"dialnote.events.acme.note.created", "", text, "subject-mismatch"},
		"an organization's beginning":   {"dialnote.events.acm.call.completed", "", text, "subject-mismatch"},
		"no type":                       {"dialnote.events.acme", "", text, "bad-subject"},
		"no organization":               {"dialnote.events..call.completed", "", text, "bad-subject"},
		"another subject":               {"dialnote.lanes.wh_1", "", text, "bad-subject"},
		"another content type":          {right, "text/xml", text, "bad-content-type"},
		"a content type with parameter": {right, "application/json; charset=utf-8", text, "bad-content-type"},
		"json said to be protobuf":      {right, proto.ContentTypeProtobuf, text, "any"},
		"protobuf said to be json":      {right, proto.ContentTypeJSON, binary, "any"},
		"half of it":                    {right, "", text[:len(text)/2], "any"},
		"nothing":                       {right, "", nil, "any"},
		"nothing, binary":               {right, proto.ContentTypeProtobuf, nil, "any"},
	} {
		e, err := (&stream.Message{Subject: c.subject, ContentType: c.contentType, Data: c.data}).Published()
		switch {
		case c.want == "":
			if err != nil || e.ID != "evt_1" || e.OrganizationID != "acme" || e.Type != event.CallCompleted {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		case err == nil:
			t.Errorf("%s: was taken for %+v", name, e)
		case c.want == "any" && fault.Of(err).Kind == fault.Internal:
			t.Errorf("%s: the reason is no fault of the publisher's: %v", name, err)
		case c.want != "any" && fault.Of(err).Code != c.want:
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
