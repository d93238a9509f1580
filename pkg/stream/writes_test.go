package stream_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/proto"
)

// A server whose disk is full answers everything but stores nothing: that is not
// ready. It is ready again when a message is stored.
func TestAServerThatStoresNothingIsNotReady(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	if err := c.Serving(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), sample(t, "evt_first")); err != nil {
		t.Fatal(err)
	}
	srv.Edit(t, proto.StreamEvents, func(cfg *natstest.StreamConfig) { cfg.MaxMsgs, cfg.Discard = 1, jetstream.DiscardNew })
	if err := c.Publish(t.Context(), sample(t, "evt_full")); err == nil {
		t.Fatal("a full stream stores an event")
	}
	if err := c.Serving(t.Context()); err == nil || !strings.Contains(err.Error(), "is its disk full?") {
		t.Errorf("ready, although it stores nothing: %v", err)
	}
	srv.Edit(t, proto.StreamEvents, func(cfg *natstest.StreamConfig) { cfg.MaxMsgs, cfg.Discard = -1, jetstream.DiscardOld })
	if err := c.Publish(t.Context(), sample(t, "evt_room")); err != nil {
		t.Fatal(err)
	}
	if err := c.Serving(t.Context()); err != nil {
		t.Errorf("not ready, although it stores again: %v", err)
	}
}
