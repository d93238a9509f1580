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

// UnsubscribeRequest is a Zapier webhook that was deleted on our side. A DELETE of
// its URL tells Zapier, which pauses the Zap. A dispatcher sends it, because only
// dispatchers send requests.
type UnsubscribeRequest struct {
	OrganizationID string `json:"organizationId"`
	WebhookID      string `json:"webhookId"`
	URL            string `json:"url"`
}

// PublishUnsubscribeRequest stores a request and returns when the server has
// acknowledged it. A second one for the same webhook is not stored. While the
// broker is away it returns a fault of kind Unavailable.
func (c *Conn) PublishUnsubscribeRequest(ctx context.Context, f UnsubscribeRequest) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write unsubscribe request of webhook %s: %w", f.WebhookID, err)
	}
	msg := &nats.Msg{
		Subject: proto.SubjectFarewell(f.OrganizationID),
		Header:  nats.Header{jetstream.MsgIDHeader: {f.WebhookID}, proto.HeaderContentType: {proto.ContentTypeJSON}},
		Data:    body,
	}
	if err := c.store(ctx, msg); err != nil {
		return fmt.Errorf("store unsubscribe request of webhook %s: %w", f.WebhookID, err)
	}
	return nil
}

// UnsubscribeRequests is their consumer, which all dispatchers share.
type UnsubscribeRequests struct {
	c        *Conn
	consumer jetstream.Consumer
}

// UnsubscribeRequests opens the shared consumer. Ensure must have made it.
func (c *Conn) UnsubscribeRequests(ctx context.Context) (*UnsubscribeRequests, error) {
	consumer, err := c.js.Consumer(ctx, proto.StreamFarewells, dispatchers)
	if err != nil {
		return nil, fmt.Errorf("open the consumer of unsubscribe requests: %w", unavailable(err))
	}
	return &UnsubscribeRequests{c: c, consumer: consumer}, nil
}

// Pull asks for at most n requests; see Events.Pull.
func (f *UnsubscribeRequests) Pull(ctx context.Context, n int, wait time.Duration, handle func(*Message)) (int, error) {
	return f.c.pull(ctx, f.consumer, n, wait, handle)
}

// ParseUnsubscribeRequest reads a message of UnsubscribeRequests.
func ParseUnsubscribeRequest(m *Message) (UnsubscribeRequest, error) {
	var f UnsubscribeRequest
	if err := json.Unmarshal(m.Data, &f); err != nil {
		return UnsubscribeRequest{}, fmt.Errorf("read unsubscribe request %d: %w", m.Sequence, err)
	}
	return f, nil
}
