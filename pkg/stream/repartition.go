package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

const (
	// pausedFor is how long consumers hand out nothing at the most while another
	// division takes their place. When the program that does it dies, they go on then.
	pausedFor = 30 * time.Second

	// applied is how long the servers of a cluster are given to apply a change: each
	// does that by itself, and the request returns when the leader has.
	applied = 10 * time.Second

	// replicated is how long the copies of a consumer are given to agree on what was
	// handed out before it was paused.
	replicated = 250 * time.Millisecond

	// lookAgain is how often the progress of a change is looked at.
	lookAgain = 50 * time.Millisecond
)

// Division is how the events are divided.
type Division struct {
	Partitions int // that events are handed out by; 0 when one consumer hands out all
	Stored     int // that the subjects of the events name which are stored now; 0 for none
}

// Division returns how the events are divided. The two numbers differ while
// Repartition works, or when it was ended early.
func (c *Conn) Division(ctx context.Context) (Division, error) {
	info, d, err := c.eventInfo(ctx)
	if err != nil {
		return Division{}, err
	}
	return Division{Partitions: d.Partitions, Stored: storedIn(info)}, nil
}

// Repartition divides the events into another number of partitions, while they are
// published and delivered. It calls told before each step, with what it does. When it
// ends early, all events are delivered all the same, and calling it again goes on
// where it ended.
//
// NATS has each copy of a stream change the subject of an event by itself, when that
// copy stores it. So while the subjects change, two copies may have one event under
// two subjects. Hence one consumer without a filter hands out the events meanwhile: it
// takes the place of those of the old partitions first, and those of the new ones take
// its place when every event stored under an old subject is handed out.
func (c *Conn) Repartition(ctx context.Context, partitions int, told func(step string)) error {
	if partitions < 1 || partitions > MostPartitions {
		return fault.Newf(fault.Invalid, "partitions", "The number of partitions is from 1 to %d.", MostPartitions)
	}
	for {
		info, d, err := c.eventInfo(ctx)
		if err != nil {
			return err
		}
		switch {
		case madeLater(info):
			return fmt.Errorf("stream %s was made by a later version of this program, use that one", proto.StreamEvents)
		case d.Partitions == partitions:
			return nil
		case d.Partitions > 0:
			told("one consumer takes the place of those of the partitions")
			err = c.divide(ctx, d, 0)
		case storedIn(info) != partitions:
			told(fmt.Sprintf("events are stored in %d partitions from now on", partitions))
			err = c.storeIn(ctx, info, partitions)
		default:
			told("waiting until the dispatchers have received the events that were stored before")
			if err = c.handedOut(ctx, d); err == nil {
				told("the consumers of the partitions take over")
				err = c.divide(ctx, d, partitions)
			}
		}
		if err != nil {
			return err
		}
	}
}

// eventInfo returns the event stream and its division.
func (c *Conn) eventInfo(ctx context.Context) (*jetstream.StreamInfo, division, error) {
	info, err := c.lookAt(ctx, proto.StreamEvents)
	if err != nil {
		return nil, division{}, err
	}
	if info == nil {
		return nil, division{}, fmt.Errorf("stream %s: %w", proto.StreamEvents, unavailable(jetstream.ErrStreamNotFound))
	}
	d, err := divisionOf(info)
	return info, d, err
}

// storedIn returns the number of partitions that the subjects of new events name, 0
// for none.
func storedIn(info *jetstream.StreamInfo) int {
	n, _ := strconv.Atoi(info.Config.Metadata[partitionsKey])
	return n
}

// metadataOf returns a copy of a stream's metadata.
func metadataOf(info *jetstream.StreamInfo) map[string]string {
	if info.Config.Metadata == nil {
		return make(map[string]string)
	}
	return maps.Clone(info.Config.Metadata)
}

// storeIn has NATS store events under subjects that name one of so many partitions.
func (c *Conn) storeIn(ctx context.Context, info *jetstream.StreamInfo, partitions int) error {
	cfg := info.Config
	cfg.Metadata = metadataOf(info)
	if _, err := c.js.UpdateStream(ctx, transformed(cfg, strconv.Itoa(partitions))); err != nil {
		return fmt.Errorf("change the subjects of stream %s: %w", cfg.Name, unavailable(err))
	}
	return nil
}

// handedOut waits until the only consumer of a division has handed out every event
// that may be stored under another subject than those of today.
func (c *Conn) handedOut(ctx context.Context, d division) error {
	settle := time.Duration(0)
	began, last, known := time.Now(), uint64(0), false
	for {
		info, err := c.lookAt(ctx, proto.StreamEvents)
		if err != nil {
			return err
		}
		if info == nil {
			return fmt.Errorf("stream %s: %w", proto.StreamEvents, unavailable(jetstream.ErrStreamNotFound))
		}
		if copies(info) > 1 {
			settle = applied
		}
		if !known && time.Since(began) >= settle && upToDate(info) {
			last, known = info.State.LastSeq, true
		}
		if known {
			done, err := c.beyond(ctx, d.of(""), last)
			if done || err != nil {
				return err
			}
		}
		if err := pauseFor(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// beyond reports whether a consumer of all events has handed out those up to a
// sequence that the stream still keeps. How many it has to hand out does not tell: that
// number follows the stream a moment later.
func (c *Conn) beyond(ctx context.Context, name string, sequence uint64) (bool, error) {
	consumer, err := c.js.Consumer(ctx, proto.StreamEvents, name)
	if err != nil {
		return false, fmt.Errorf("look at consumer %s: %w", name, unavailable(err))
	}
	handedOut := consumer.CachedInfo().Delivered.Stream
	if handedOut >= sequence {
		return true, nil
	}
	next, err := c.storedAfter(ctx, handedOut, ">") // the retention may have removed the last ones
	return err == nil && next.IsZero(), err
}

// copies returns how many copies a stream has.
func copies(info *jetstream.StreamInfo) int {
	if info.Cluster == nil {
		return 1
	}
	return 1 + len(info.Cluster.Replicas)
}

// upToDate reports whether all copies of a stream have what the leader has.
func upToDate(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil {
		return true
	}
	for _, peer := range info.Cluster.Replicas {
		if peer.Offline || !peer.Current || peer.Lag > 0 {
			return false
		}
	}
	return true
}

// divide puts another division in the place of one. The consumers of the old one hand
// out nothing from when it is decided where the new ones begin. The change of the
// stream's metadata decides: before it everything goes on as it was, when this ends
// early, and after it every service can do the rest.
func (c *Conn) divide(ctx context.Context, d division, partitions int) error {
	began := time.Now()
	next, cfg, err := c.plan(ctx, d, partitions, began)
	if err != nil {
		c.resume(ctx, d)
		return err
	}
	// When the answer is lost, it may have been done: then the consumers are retired
	// by a service, or go on when they have paused for long enough.
	if _, err := c.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("change the division of stream %s: %w", cfg.Name, unavailable(err))
	}
	names, err := c.earlier(ctx, next)
	if err != nil {
		return err
	}
	return c.retire(ctx, names)
}

// plan stops the consumers of a division, makes those of the next one, and returns it
// with the configuration of the stream that puts it in force.
func (c *Conn) plan(ctx context.Context, d division, partitions int, began time.Time) (division, jetstream.StreamConfig, error) {
	last, err := c.stop(ctx, d, began.Add(pausedFor))
	if err != nil {
		return d, jetstream.StreamConfig{}, err
	}
	info, now, err := c.eventInfo(ctx)
	if err != nil {
		return d, jetstream.StreamConfig{}, err
	}
	if now.Number != d.Number {
		return d, jetstream.StreamConfig{}, errors.New("the number of partitions is being changed by another program: wait for its end")
	}
	next := d.next(partitions, last)
	if err := c.prepare(ctx, next); err != nil {
		return d, jetstream.StreamConfig{}, err
	}
	if time.Since(began) > pausedFor/2 {
		return d, jetstream.StreamConfig{}, fmt.Errorf("NATS took longer than %s to make the consumers: try again", pausedFor/2)
	}
	cfg := info.Config
	cfg.Metadata = metadataOf(info)
	cfg.Metadata[divisionKey] = next.text()
	cfg.Metadata[topologyKey] = strconv.Itoa(topologyVersion)
	return next, cfg, nil
}

// stop pauses the consumers of a division, and returns up to where each has handed
// out its events.
func (c *Conn) stop(ctx context.Context, d division, until time.Time) ([]uint64, error) {
	all := d.consumers()
	err := atOnce(len(all), func(i int) error {
		if _, err := c.js.PauseConsumer(ctx, proto.StreamEvents, all[i].name, until); err != nil {
			return fmt.Errorf("pause consumer %s: %w", all[i].name, unavailable(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	info, _, err := c.eventInfo(ctx)
	if err != nil {
		return nil, err
	}
	if copies(info) > 1 {
		if err := pauseFor(ctx, replicated); err != nil {
			return nil, err
		}
	}
	last := make([]uint64, len(all))
	return last, atOnce(len(all), func(i int) error {
		consumer, err := c.js.Consumer(ctx, proto.StreamEvents, all[i].name)
		if err != nil {
			return fmt.Errorf("look at consumer %s: %w", all[i].name, unavailable(err))
		}
		info := consumer.CachedInfo()
		if !info.Paused {
			return fmt.Errorf("consumer %s is not paused: is the number of partitions being changed by another program?", all[i].name)
		}
		last[i] = max(info.Delivered.Stream, max(info.Config.OptStartSeq, 1)-1)
		return nil
	})
}

// resume has the consumers of a division hand out events again. What it cannot
// resume goes on by itself.
func (c *Conn) resume(ctx context.Context, d division) {
	for _, one := range d.consumers() {
		_, _ = c.js.ResumeConsumer(context.WithoutCancel(ctx), proto.StreamEvents, one.name)
	}
}

// prepare makes the consumers of a division that does not hold yet. In a cluster each
// has to choose a leader first, so they are made at once.
func (c *Conn) prepare(ctx context.Context, d division) error {
	all := d.consumers()
	return atOnce(len(all), func(i int) error {
		err := c.js.DeleteConsumer(ctx, proto.StreamEvents, all[i].name) // an earlier attempt may have made it, to begin elsewhere
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("remove consumer %s: %w", all[i].name, unavailable(err))
		}
		if _, err := c.js.CreateConsumer(ctx, proto.StreamEvents, dispatchersConsumer(all[i].name, all[i].filter, d.From)); err != nil {
			return fmt.Errorf("create consumer %s: %w", all[i].name, unavailable(err))
		}
		return nil
	})
}

// atOnce calls do for 0 to n-1 at the same time, and returns the errors.
func atOnce(n int, do func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// retireOthers has the consumers of earlier divisions hand out nothing new, and
// removes those of which everything is acknowledged.
func (c *Conn) retireOthers(ctx context.Context) error {
	d, err := c.division(ctx)
	if err != nil {
		return err
	}
	names, err := c.kept.names(ctx, c, d)
	if err != nil {
		return err
	}
	return c.retire(ctx, names)
}

func (c *Conn) retire(ctx context.Context, names []string) error {
	for _, name := range names {
		err := c.retireOne(ctx, name)
		if err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		// Every service does it, and one may have removed the consumer meanwhile.
		if _, gone := c.js.Consumer(ctx, proto.StreamEvents, name); !errors.Is(gone, jetstream.ErrConsumerNotFound) {
			return unavailable(err)
		}
	}
	return nil
}

// retireOne has a consumer hand out only what it has handed out before and what is not
// acknowledged: NATS finds that by its sequence, whatever the filter. When
// everything is acknowledged it removes the consumer.
func (c *Conn) retireOne(ctx context.Context, name string) error {
	consumer, err := c.js.Consumer(ctx, proto.StreamEvents, name)
	if err != nil {
		return fmt.Errorf("look at consumer %s: %w", name, err)
	}
	info := consumer.CachedInfo()
	if info.Config.FilterSubject != retired {
		cfg := info.Config
		cfg.FilterSubject = retired
		if consumer, err = c.js.UpdateConsumer(ctx, proto.StreamEvents, cfg); err != nil {
			return fmt.Errorf("retire consumer %s: %w", name, err)
		}
		info = consumer.CachedInfo()
	}
	if info.Paused {
		if _, err := c.js.ResumeConsumer(ctx, proto.StreamEvents, name); err != nil {
			return fmt.Errorf("resume consumer %s: %w", name, err)
		}
	}
	if info.NumAckPending > 0 {
		return nil
	}
	if err := c.js.DeleteConsumer(ctx, proto.StreamEvents, name); err != nil {
		return fmt.Errorf("remove consumer %s: %w", name, err)
	}
	return nil
}

// pauseFor waits, or returns ctx's error.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
