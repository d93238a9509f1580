package stream

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Notify stores a notice for the platform and returns when the server has
// acknowledged it. The same notice again is not stored twice for as long as the
// stream keeps it. While the broker is away it returns a fault of kind
// Unavailable.
func (c *Conn) Notify(ctx context.Context, n webhook.Notice) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("write notice %s: %w", n.ID, err)
	}
	msg := &nats.Msg{
		Subject: proto.SubjectNotice(n.OrganizationID, string(n.Kind)),
		Header: nats.Header{
			jetstream.MsgIDHeader:   {n.ID},
			proto.HeaderContentType: {proto.ContentTypeJSON},
		},
		Data: body,
	}
	if err := c.store(ctx, msg); err != nil {
		return fmt.Errorf("publish notice %s: %w", n.ID, err)
	}
	return nil
}
