package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Source is a consumer that hands out events to the dispatchers. Open opens it.
type Source struct {
	Name string

	division division
}

// Sources returns the consumers that hand out events: those of the division that
// holds now, and those of earlier ones of which not everything is acknowledged that
// they have handed out.
func (c *Conn) Sources(ctx context.Context) ([]Source, error) {
	d, err := c.division(ctx)
	if err != nil {
		return nil, err
	}
	earlier, err := c.others.names(ctx, c, d)
	if err != nil {
		return nil, err
	}
	var all []Source
	for _, one := range d.consumers() {
		all = append(all, Source{Name: one.name, division: d})
	}
	for _, name := range earlier {
		all = append(all, Source{Name: name})
	}
	return all, nil
}

// division returns the division that holds now.
func (c *Conn) division(ctx context.Context) (division, error) {
	_, d, err := c.eventInfo(ctx)
	return d, err
}

// listEvery is how often the server is asked for the consumers of earlier divisions
// while there are none: only who changes the number of partitions makes some, and that
// begins a division.
const listEvery = time.Minute

// othersSeen remembers which consumers of earlier divisions there are. The caller
// must not use it from two goroutines at a time.
type othersSeen struct {
	number int // of the division that held
	asked  time.Time
	found  []string
}

// names returns the names of the consumers of divisions before d.
func (o *othersSeen) names(ctx context.Context, c *Conn, d division) ([]string, error) {
	if d.Number == 0 || o.number == d.Number && len(o.found) == 0 && time.Since(o.asked) < listEvery {
		return nil, nil
	}
	found, err := c.earlier(ctx, d)
	if err != nil {
		return nil, err
	}
	o.number, o.asked, o.found = d.Number, time.Now(), found
	return found, nil
}

// earlier asks for the names of the consumers of divisions before d.
func (c *Conn) earlier(ctx context.Context, d division) ([]string, error) {
	events, err := c.eventStream(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	list := events.ConsumerNames(ctx)
	for name := range list.Name() {
		if number, shared := numberOf(name); shared && number < d.Number {
			found = append(found, name)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of %s: %w", proto.StreamEvents, unavailable(err))
	}
	slices.Sort(found)
	return found, nil
}

// consumerLevel is how far the dispatchers are with a consumer.
type consumerLevel struct {
	filter        string // of the events that it hands out
	pending, held uint64 // not handed out, and handed out and not acknowledged
	floor         uint64 // everything up to this sequence is acknowledged
}

// levels returns those of all consumers that hand out events.
func (c *Conn) levels(ctx context.Context) ([]consumerLevel, error) {
	d, err := c.division(ctx)
	if err != nil {
		return nil, err
	}
	names, err := c.earlier(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, one := range d.consumers() {
		names = append(names, one.name)
	}
	all := make([]consumerLevel, 0, len(names))
	for i, name := range names {
		consumer, err := c.js.Consumer(ctx, proto.StreamEvents, name)
		if i < len(names)-len(d.consumers()) && errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("state of consumer %s: %w", name, unavailable(err))
		}
		info := consumer.CachedInfo()
		all = append(all, consumerLevel{
			filter: cmp.Or(info.Config.FilterSubject, ">"), pending: info.NumPending,
			held: uint64(max(info.NumAckPending, 0)), floor: info.AckFloor.Stream,
		})
	}
	return all, nil
}

// Handled returns the sequence up to which every event of a webhook's organization is
// settled for it: delivered and recorded, or kept with its record. Later ones may be
// in progress.
func (c *Conn) Handled(ctx context.Context, w webhook.Webhook) (uint64, error) {
	if w.Ordered() {
		consumer, err := c.js.Consumer(ctx, proto.StreamEvents, orderedConsumer(w))
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return w.OrderedFrom - 1, nil // made when its first event comes
		}
		if err != nil {
			return 0, fmt.Errorf("open consumer %s: %w", orderedConsumer(w), unavailable(err))
		}
		return consumer.CachedInfo().AckFloor.Stream, nil
	}
	d, err := c.division(ctx)
	if err != nil {
		return 0, err
	}
	earlier, err := c.earlier(ctx, d)
	if err != nil {
		return 0, err
	}
	handled, err := c.floorOf(ctx, d.of(w.OrganizationID))
	if err != nil {
		return 0, err
	}
	for _, name := range earlier {
		floor, err := c.floorOf(ctx, name)
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return 0, err
		}
		if err == nil {
			handled = min(handled, floor)
		}
	}
	return handled, nil
}

// floorOf returns up to which sequence everything is acknowledged that a consumer
// hands out.
func (c *Conn) floorOf(ctx context.Context, name string) (uint64, error) {
	consumer, err := c.js.Consumer(ctx, proto.StreamEvents, name)
	if err != nil {
		return 0, fmt.Errorf("open consumer %s: %w", name, errors.Join(unavailable(err), err))
	}
	info := consumer.CachedInfo()
	return max(info.AckFloor.Stream, max(info.Config.OptStartSeq, 1)-1), nil
}
