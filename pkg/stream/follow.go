package stream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
)

// followAhead bounds the events that the client has received and not yet handled,
// and so the memory that a slow reader costs.
const followAhead = 16

// Follow calls handle for each event of an organization that is stored after a
// sequence, in order, as they come: of one type, or of all for "". It returns
// nil when ctx has ended, handle's error, or a fault of kind Unavailable when
// the broker went away. A caller that goes on after the last sequence then misses
// no event that is still stored.
func (c *Conn) Follow(ctx context.Context, organizationID string, t event.Type, after uint64, handle func(*Message) error) error {
	cfg := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{proto.SubjectStored(organizationID, ">")},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    after + 1,
	}
	if t != "" {
		cfg.FilterSubjects = []string{proto.SubjectStored(organizationID, string(t))}
	}
	consumer, err := c.js.OrderedConsumer(ctx, proto.StreamEvents, cfg)
	if err != nil {
		return fmt.Errorf("follow the events of %s: %w", organizationID, unavailable(err))
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(followAhead))
	if err != nil {
		return fmt.Errorf("follow the events of %s: %w", organizationID, unavailable(err))
	}
	defer messages.Stop()
	for {
		raw, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the events of %s: %w", organizationID, unavailable(err))
		}
		m, err := c.message(raw)
		if err != nil {
			return err
		}
		if err := handle(m); err != nil {
			return err
		}
	}
}
