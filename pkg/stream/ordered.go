package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// An ordered webhook has a durable consumer of its own on the event stream,
// which hands out one event at a time: the server itself keeps the order and
// the place, even if replicas die. Its events never enter a lane.

const (
	orderedPrefix       = "ordered-"
	metadataOrg         = "organization"
	metadataWebhook     = "webhook"
	metadataOrderedFrom = "from"
)

// orderedConsumer names the consumer by where it begins: a webhook that begins
// at another place gets a new one.
func orderedConsumer(w webhook.Webhook) string {
	return orderedPrefix + w.ID + "-" + strconv.FormatUint(w.OrderedFrom, 10)
}

// OpenOrdered opens the place of an ordered webhook in the event stream for
// reading. until pauses it on the server, for every replica, unless it is zero.
func (c *Conn) OpenOrdered(ctx context.Context, w webhook.Webhook, until time.Time) (*Lane, error) {
	cfg := jetstream.ConsumerConfig{
		Durable:       orderedConsumer(w),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1,
		MaxAckPending: 1,
		FilterSubject: proto.SubjectStored(w.OrganizationID, string(w.Event)),
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   w.OrderedFrom,
		Metadata: map[string]string{
			metadataOrg: w.OrganizationID, metadataWebhook: w.ID,
			metadataOrderedFrom: strconv.FormatUint(w.OrderedFrom, 10),
		},
	}
	if !until.IsZero() {
		cfg.PauseUntil = &until
	}
	consumer, err := c.js.CreateOrUpdateConsumer(ctx, proto.StreamEvents, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the ordered place of %s: %w", w.ID, unavailable(err))
	}
	if err := c.pause(ctx, consumer, until); err != nil {
		return nil, fmt.Errorf("open the ordered place of %s: %w", w.ID, err)
	}
	parse := func(m *Message) (delivery.Delivery, error) {
		e, err := m.Event()
		if err != nil {
			return delivery.Delivery{}, err
		}
		return delivery.Of(e, e.Body(), w.ID, m.Sequence, m.Stored), nil
	}
	return &Lane{c: c, webhookID: w.ID, consumer: consumer, parse: parse}, nil
}

// Waiting counts the events that wait in an ordered webhook's place, the one that
// is being delivered included. It returns 0 for a webhook that is not ordered, or
// whose first event has not come, and a fault of kind Unavailable while the broker
// is away.
func (c *Conn) Waiting(ctx context.Context, w webhook.Webhook) (uint64, error) {
	if !w.Ordered() {
		return 0, nil
	}
	consumer, err := c.js.Consumer(ctx, proto.StreamEvents, orderedConsumer(w))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil // made when its first event comes
	}
	if err != nil {
		return 0, fmt.Errorf("count the ordered events of %s: %w", w.ID, unavailable(err))
	}
	info := consumer.CachedInfo()
	return info.NumPending + uint64(max(info.NumAckPending, 0)), nil
}

// Place is the consumer of an ordered webhook.
type Place struct {
	OrganizationID string
	WebhookID      string
	OrderedFrom    uint64
	Waiting        uint64 // events not acknowledged
}

// Places returns all ordered places.
func (c *Conn) Places(ctx context.Context) ([]Place, error) {
	events, err := c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", proto.StreamEvents, unavailable(err))
	}
	var places []Place
	list := events.ListConsumers(ctx)
	for info := range list.Info() {
		if !strings.HasPrefix(info.Name, orderedPrefix) {
			continue
		}
		from, err := strconv.ParseUint(info.Config.Metadata[metadataOrderedFrom], 10, 64)
		if err != nil {
			continue // not one of ours
		}
		places = append(places, Place{
			OrganizationID: info.Config.Metadata[metadataOrg],
			WebhookID:      info.Config.Metadata[metadataWebhook],
			OrderedFrom:    from,
			Waiting:        info.NumPending + uint64(max(info.NumAckPending, 0)),
		})
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list ordered places: %w", unavailable(err))
	}
	return places, nil
}

// RemovePlace removes the place of a webhook that is no longer ordered, or gone.
func (c *Conn) RemovePlace(ctx context.Context, p Place) error {
	name := orderedConsumer(webhook.Webhook{ID: p.WebhookID, OrderedFrom: p.OrderedFrom})
	err := c.js.DeleteConsumer(ctx, proto.StreamEvents, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("remove the ordered place of %s: %w", p.WebhookID, unavailable(err))
	}
	return nil
}

// NextSequence returns the sequence that the event stream gives to the next
// event.
func (c *Conn) NextSequence(ctx context.Context) (uint64, error) {
	events, err := c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return 0, fmt.Errorf("open stream %s: %w", proto.StreamEvents, unavailable(err))
	}
	return events.CachedInfo().State.LastSeq + 1, nil
}
