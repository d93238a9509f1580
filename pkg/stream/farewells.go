package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
)

// Farewell is a Zapier webhook that was deleted on our side. Zapier is told by
// a DELETE of its URL, which pauses the Zap. A dispatcher does that, because
// requests leave there only.
type Farewell struct {
	OrganizationID string `json:"organizationId"`
	WebhookID      string `json:"webhookId"`
	URL            string `json:"url"`
}

// SayFarewell stores a farewell and returns when the server has acknowledged
// it. The same webhook's again is not stored twice. While the broker is away it
// returns a fault of kind Unavailable.
func (c *Conn) SayFarewell(ctx context.Context, f Farewell) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write farewell of webhook %s: %w", f.WebhookID, err)
	}
	msg := &nats.Msg{
		Subject: proto.SubjectFarewell(f.OrganizationID),
		Header:  nats.Header{jetstream.MsgIDHeader: {f.WebhookID}, proto.HeaderContentType: {proto.ContentTypeJSON}},
		Data:    body,
	}
	if err := c.store(ctx, msg); err != nil {
		return fmt.Errorf("store farewell of webhook %s: %w", f.WebhookID, err)
	}
	return nil
}

// Farewells is the consumer of farewells, which all dispatchers share.
type Farewells struct {
	c        *Conn
	consumer jetstream.Consumer
}

// Farewells opens the shared consumer. Ensure must have made it.
func (c *Conn) Farewells(ctx context.Context) (*Farewells, error) {
	consumer, err := c.js.Consumer(ctx, proto.StreamFarewells, dispatchers)
	if err != nil {
		return nil, fmt.Errorf("open the consumer of farewells: %w", unavailable(err))
	}
	return &Farewells{c: c, consumer: consumer}, nil
}

// Pull asks for at most n farewells; see Events.Pull.
func (f *Farewells) Pull(ctx context.Context, n int, wait time.Duration, handle func(*Message)) (int, error) {
	return f.c.pull(ctx, f.consumer, n, wait, handle)
}

// ParseFarewell reads a message of Farewells.
func ParseFarewell(m *Message) (Farewell, error) {
	var f Farewell
	if err := json.Unmarshal(m.Data, &f); err != nil {
		return Farewell{}, fmt.Errorf("read farewell %d: %w", m.Sequence, err)
	}
	return f, nil
}
