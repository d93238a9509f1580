package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"           //nolint:depguard // plays a platform service, which is free to publish anything
	"github.com/nats-io/nats.go/jetstream" //nolint:depguard // as above

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

func TestMalformedMessagesAreKeptWithTheirReason(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 1)
	c := s.client(t)
	l := newLedger(s.receiver, c.create(t, s.receiverURL, "/ok/calls", event.CallCompleted))
	l.mix = traffic.Mix{Calls: 1}

	const calls = "dialnote.events.acme.call.completed"
	whole := func(data string) string {
		return `{"id":"evt_1","type":"call.completed","timestamp":"2026-01-05T09:00:00Z","organizationId":"acme","data":` + data + `}`
	}
	good := `{"callSid":"CA1","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":1`
	malformed := []struct{ name, subject, contentType, data string }{
		{"no JSON", calls, "application/json", `{"id":`},
		{"nothing", calls, "", ``},
		{"an array", calls, "", `[]`},
		{"invalid UTF-8", calls, "", whole(good + `,"note":"` + "\xff" + `"}`)},
		{"an unknown type", "dialnote.events.acme.call.started", "", strings.Replace(whole(good+"}"), "call.completed", "call.started", 1)},
		{"a field that is missing", calls, "", whole(`{"callSid":"CA1"}`)},
		{"a forbidden key", calls, "", whole(good + `,"__proto__":{"admin":true}}`)},
		{"too much data", calls, "", whole(good + `,"note":"` + strings.Repeat("x", 65<<10) + `"}`)},
		{"too deep", calls, "", whole(good + `,"note":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`)},
		{"another organization's subject", "dialnote.events.globex.call.completed", "", whole(good + "}")},
		{"another type's subject", "dialnote.events.acme.note.created", "", whole(good + "}")},
		{"a subject without a type", "dialnote.events.acme", "", whole(good + "}")},
		{"an unknown content type", calls, "text/plain", whole(good + "}")},
		{"no protobuf", calls, "application/protobuf", `{"id":"evt_1"}`},
	}
	nc, err := nats.Connect(s.broker.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range malformed {
		msg := &nats.Msg{Subject: m.subject, Header: nats.Header{}, Data: []byte(m.data)}
		if m.contentType != "" {
			msg.Header.Set("Content-Type", m.contentType)
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
	}
	l.publish(t, 6, 10, 0, s.connect(t))
	l.settled(t) // the good ones behind them are not held up

	rejected, err := js.Stream(t.Context(), proto.StreamRejected)
	if err != nil {
		t.Fatal(err)
	}
	var count uint64
	await(t, "rejected messages", func() error {
		info, err := rejected.Info(t.Context())
		if err != nil {
			return err
		}
		if count = info.State.Msgs; count < uint64(len(malformed)) {
			return fmt.Errorf("%d of %d", count, len(malformed))
		}
		return nil
	})
	if count != uint64(len(malformed)) {
		t.Errorf("%d messages were rejected, %d were malformed", count, len(malformed))
	}
	for _, m := range malformed {
		kept := findRejected(t, rejected, count, m.subject, m.data)
		if kept == nil {
			t.Errorf("%s is not kept", m.name)
			continue
		}
		reason := kept.Header.Get(proto.HeaderReason)
		t.Logf("%-32s %s", m.name, reason)
		if reason == "" || kept.Header.Get(proto.HeaderContentType) != m.contentType || time.Since(kept.Time) > patience {
			t.Errorf("%s is kept with %v", m.name, kept.Header)
		}
	}
	await(t, "the counter", func() error {
		if got := metric(t, s.dispatchers[0], "dialnote_dispatcher_events_rejected_total"); got != float64(len(malformed)) {
			return fmt.Errorf("%v, not %d", got, len(malformed))
		}
		return nil
	})
	if n := s.receiver.Counts("").Requests; n != 10 {
		t.Errorf("%d requests came for 10 good events", n)
	}
}

// findRejected returns the kept message that was published to this subject with
// this data, nil when there is none.
func findRejected(t *testing.T, rejected jetstream.Stream, count uint64, subject, data string) *jetstream.RawStreamMsg {
	t.Helper()
	for sequence := uint64(1); sequence <= count; sequence++ {
		msg, err := rejected.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		if msg.Header.Get(proto.HeaderSubject) == subject && bytes.Equal(msg.Data, []byte(data)) {
			return msg
		}
	}
	return nil
}
