package publish_test

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/stream/publish"
	"github.com/dialnote/webhooks/proto"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

func call(id string) *webhooksv1.Event {
	return &webhooksv1.Event{
		Id:             id,
		Timestamp:      timestamppb.New(time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)),
		OrganizationId: "acme",
		Data: &webhooksv1.Event_CallCompleted{CallCompleted: &webhooksv1.CallCompleted{
			CallSid:     "CA1",
			Direction:   webhooksv1.CallDirection_CALL_DIRECTION_INBOUND,
			PhoneNumber: "+15551234567",
			Status:      webhooksv1.CallStatus_CALL_STATUS_COMPLETED,
			Duration:    180,
		}},
	}
}

// open returns a publisher and the events that the dispatchers would pull.
func open(t *testing.T) (*publish.Publisher, *stream.Events) {
	t.Helper()
	srv := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	events, err := conn.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	p, err := publish.Open(publish.Options{URL: srv.ClientURL(), Service: "calls"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, events
}

func TestTypedEventAndItsJSONAreTheSameEvent(t *testing.T) {
	t.Parallel()
	p, events := open(t)
	if err := p.Publish(t.Context(), call("evt_1")); err != nil {
		t.Fatal(err)
	}
	const text = `{"id":"evt_2","type":"call.completed","timestamp":"2026-11-23T10:30:00Z","organizationId":"acme",` +
		`"data":{"callSid":"CA1","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":180}}`
	if err := p.PublishJSON(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
	var data []string
	_, err := events.Pull(t.Context(), 3, 300*time.Millisecond, func(m *stream.Message) {
		parse := event.ParseJSON
		if m.ContentType == proto.ContentTypeProtobuf {
			parse = event.ParseProto
		}
		e, err := parse(m.Data)
		if err != nil {
			t.Errorf("the dispatchers cannot read it: %v", err)
		}
		if m.Subject != "dialnote.events.acme.call.completed" {
			t.Errorf("subject is %s", m.Subject)
		}
		data = append(data, string(e.Data))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 2 || data[0] != data[1] {
		t.Errorf("got %d events: %q", len(data), data)
	}
}

func TestWrongEventIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	p, events := open(t)
	wrong := call("evt.with.dots")
	wrong.GetCallCompleted().PhoneNumber = "555"
	err := p.Publish(t.Context(), wrong)
	if !fault.Is(err, fault.Invalid) || len(fault.Of(err).Fields) != 2 {
		t.Errorf("error is %v, want one that names /id and /data/phoneNumber", err)
	}
	if err := p.PublishJSON(t.Context(), []byte(`{"id":`)); !fault.Is(err, fault.Malformed) {
		t.Errorf("error is %v, want one of kind Malformed", err)
	}
	if n, err := events.Pull(t.Context(), 1, 100*time.Millisecond, func(*stream.Message) {}); n != 0 || err != nil {
		t.Errorf("%d events were sent, %v", n, err)
	}
}
