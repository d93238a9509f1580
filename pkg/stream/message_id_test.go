package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// Whatever Nats-Msg-Id a publisher chooses, the server discards no other event,
// its own or another organization's: each is stored and its acknowledgement says
// so.
func TestMessageIDsDecideNothing(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	old := jetstream.StreamConfig{ // as the versions before made it
		Name: proto.StreamEvents, Subjects: []string{proto.PrefixEvents + ".>"}, MaxAge: time.Hour, Duplicates: 10 * time.Minute, AllowDirect: true,
	}
	nc, err := nats.Connect(srv.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	publish := func(organization, messageID string) *jetstream.PubAck {
		ack, err := js.PublishMsg(t.Context(), &nats.Msg{
			Subject: proto.SubjectEvent(organization, "call.completed"), Header: nats.Header{jetstream.MsgIDHeader: {messageID}}, Data: []byte("{}"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return ack
	}
	publish("evil", "acme:evt_0")
	if ack := publish("acme", "acme:evt_0"); !ack.Duplicate {
		t.Fatal("the earlier streams compared message ids; this test proves nothing")
	}
	if err := c.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return !publish("evil", "acme:evt_0").Duplicate }) // the server forgets what it knew, a moment later
	for i := range 101 {
		id := fmt.Sprintf("acme:evt_%d", i)
		for _, organization := range []string{"evil", "acme", "acme"} {
			if ack := publish(organization, id); ack.Duplicate {
				t.Fatalf("%s: the event of %s was discarded", id, organization)
			}
		}
	}
	srv.Stop()
	srv.Restart(t)
	await(t, func() bool { _, err := js.AccountInfo(t.Context()); return err == nil })
	if ack := publish("acme", "acme:evt_100"); ack.Duplicate {
		t.Error("after a restart the server compares message ids")
	}
}
