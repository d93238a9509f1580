package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/proto"
)

// laneMessage returns the message of a waiting delivery: a reference to its event,
// which the event stream keeps, and the trace's context.
func laneMessage(ctx context.Context, d delivery.Delivery, subject, messageID string) *nats.Msg {
	msg := &nats.Msg{
		Subject: subject,
		Header: nats.Header{
			jetstream.MsgIDHeader:     {messageID},
			proto.HeaderDelivery:      {d.ID},
			proto.HeaderOrganization:  {d.OrganizationID},
			proto.HeaderEventID:       {d.EventID},
			proto.HeaderEventType:     {string(d.EventType)},
			proto.HeaderEventSequence: {strconv.FormatUint(d.EventSequence, 10)},
			proto.HeaderEventStored:   {strconv.FormatInt(d.EventStored.UnixNano(), 10)},
		},
	}
	if d.PriorAttempts > 0 {
		msg.Header.Set(proto.HeaderEarlier, strconv.Itoa(d.PriorAttempts))
	}
	trace.Inject(ctx, msg.Header)
	return msg
}

// laneMessageID returns the id of a message of a lane. The same delivery after the
// same number of attempts is the same message: when a replica repeats another's
// work, nothing is stored twice.
func laneMessageID(kind string, d delivery.Delivery, attempts int) string {
	return kind + ":" + d.ID + ":" + strconv.Itoa(attempts)
}

const (
	headerSchedule       = "Nats-Schedule"
	headerScheduleTarget = "Nats-Schedule-Target"
)

func parseLaneMessage(m *Message) (delivery.Delivery, error) {
	raw, h := m.raw, m.raw.Headers()
	sequence, err1 := strconv.ParseUint(h.Get(proto.HeaderEventSequence), 10, 64)
	stored, err2 := strconv.ParseInt(h.Get(proto.HeaderEventStored), 10, 64)
	webhookID, found := strings.CutPrefix(raw.Subject(), proto.PrefixLanes+".")
	earlier, err3 := parsePriorAttempts(h.Get(proto.HeaderEarlier))
	if err := errors.Join(err1, err2, err3); err != nil || !found {
		return delivery.Delivery{}, fmt.Errorf("message on %s is not a waiting delivery: %w", raw.Subject(), err)
	}
	return delivery.Delivery{
		ID:             h.Get(proto.HeaderDelivery),
		WebhookID:      webhookID,
		OrganizationID: h.Get(proto.HeaderOrganization),
		EventID:        h.Get(proto.HeaderEventID),
		EventType:      event.Type(h.Get(proto.HeaderEventType)),
		EventSequence:  sequence,
		EventStored:    time.Unix(0, stored).UTC(),
		PriorAttempts:  earlier,
	}, nil
}

func parsePriorAttempts(header string) (int, error) {
	if header == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(header)
	if err != nil {
		return 0, fmt.Errorf("earlier attempts: %w", err)
	}
	return n, nil
}

// Enqueue puts a delivery, after its first attempts, at the end of its webhook's
// lane and returns when the server has stored it.
func (c *Conn) Enqueue(ctx context.Context, d delivery.Delivery, attempts int) error {
	if err := c.store(ctx, laneMessage(ctx, d, proto.SubjectLane(d.WebhookID), laneMessageID("lane", d, attempts))); err != nil {
		return fmt.Errorf("put delivery %s into its lane: %w", d.ID, err)
	}
	return nil
}

// EnqueueAt schedules a delivery into its webhook's lane: the server holds it
// until at and then puts it there, even if no replica is alive. A delivery has at
// most one schedule; a later one replaces it.
func (c *Conn) EnqueueAt(ctx context.Context, d delivery.Delivery, attempts int, at time.Time) error {
	msg := laneMessage(ctx, d, proto.SubjectRetry(d.WebhookID, d.ID), laneMessageID("retry", d, attempts))
	msg.Header.Set(headerSchedule, "@at "+at.UTC().Format(time.RFC3339Nano))
	msg.Header.Set(headerScheduleTarget, proto.SubjectLane(d.WebhookID))
	if err := c.store(ctx, msg); err != nil {
		return fmt.Errorf("schedule delivery %s: %w", d.ID, err)
	}
	return nil
}

// Requeue puts a delivery that was asked for again at the end of its webhook's
// lane and returns when the server has stored it. The same request for the same
// delivery is stored once, within two minutes.
func (c *Conn) Requeue(ctx context.Context, d delivery.Delivery, request string) error {
	msg := laneMessage(ctx, d, proto.SubjectLane(d.WebhookID), "again:"+request+":"+d.ID)
	if err := c.store(ctx, msg); err != nil {
		return fmt.Errorf("put delivery %s into its lane again: %w", d.ID, err)
	}
	return nil
}

// store publishes a message, which does not block other publishers, and waits for
// the server's acknowledgement. When the server refuses it for good, the error's
// cause is a *RefusedError.
func (c *Conn) store(ctx context.Context, msg *nats.Msg) error {
	err := c.storeOnce(ctx, msg)
	c.noteWrite(err, time.Now())
	return err
}

func (c *Conn) storeOnce(ctx context.Context, msg *nats.Msg) error {
	if c.refusals.of(msg.Subject, time.Now()) != nil {
		return c.refused(ctx, msg, nats.ErrPermissionViolation)
	}
	ack, err := c.js.PublishMsgAsync(msg)
	if err != nil {
		return c.refused(ctx, msg, err)
	}
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return c.refused(ctx, msg, err)
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// Lane is the consumer of one webhook's lane, shared by the replicas that read
// it.
type Lane struct {
	c         *Conn
	webhookID string
	consumer  jetstream.Consumer
	parse     func(*Message) (delivery.Delivery, error)
}

// OpenLane opens a webhook's lane for reading, or changes how it is read.
// inFlight is how many of its messages all replicas together may hold, 1 for a
// half-open probe. until pauses it on the server, for every replica, unless it is
// zero.
func (c *Conn) OpenLane(ctx context.Context, webhookID string, inFlight int, until time.Time) (*Lane, error) {
	consumer, err := c.js.CreateOrUpdateConsumer(ctx, proto.StreamLanes, laneConsumer(webhookID, inFlight, until))
	if err != nil {
		return nil, fmt.Errorf("open lane %s: %w", webhookID, unavailable(err))
	}
	if err := c.pause(ctx, consumer, until); err != nil {
		return nil, fmt.Errorf("open lane %s: %w", webhookID, err)
	}
	return &Lane{c: c, webhookID: webhookID, consumer: consumer, parse: parseLaneMessage}, nil
}

// pause makes the server hand out no message of a consumer until a time; zero
// ends the pause. The server takes a pause from a consumer's configuration only
// when it makes the consumer, and ignores it in an update.
func (c *Conn) pause(ctx context.Context, consumer jetstream.Consumer, until time.Time) error {
	info := consumer.CachedInfo()
	var current time.Time
	if info.Config.PauseUntil != nil && info.Paused {
		current = *info.Config.PauseUntil
	}
	if !time.Now().Before(until) {
		until = time.Time{}
	}
	var err error
	switch {
	case current.Equal(until):
		return nil
	case until.IsZero():
		_, err = c.js.ResumeConsumer(ctx, info.Stream, info.Name)
	default:
		_, err = c.js.PauseConsumer(ctx, info.Stream, info.Name, until)
	}
	if err != nil {
		return fmt.Errorf("pause consumer %s: %w", info.Name, unavailable(err))
	}
	return nil
}

// CloseLane removes a lane's consumer, if it has one: its messages wait in the
// stream.
func (c *Conn) CloseLane(ctx context.Context, webhookID string) error {
	err := c.js.DeleteConsumer(ctx, proto.StreamLanes, webhookID)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("close lane %s: %w", webhookID, unavailable(err))
	}
	return nil
}

// Pull asks for at most n deliveries of the lane, calls handle for each as it
// arrives, and returns how many came: when n have, or after wait. A message
// that cannot be read is removed and reported by the error.
func (l *Lane) Pull(ctx context.Context, n int, wait time.Duration, handle func(delivery.Delivery, *Message)) (int, error) {
	var bad error
	got, err := l.c.pull(ctx, l.consumer, n, wait, func(m *Message) {
		d, err := l.parse(m)
		if err != nil {
			bad = errors.Join(err, m.Ack())
			return
		}
		handle(d, m)
	})
	return got, errors.Join(err, bad)
}

// Remaining returns how many messages the lane still has: those that were not
// handed out, and those that were and are not acknowledged.
func (l *Lane) Remaining(ctx context.Context) (waiting, held uint64, err error) {
	info, err := l.consumer.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("lane %s: %w", l.webhookID, unavailable(err))
	}
	return info.NumPending, uint64(max(info.NumAckPending, 0)), nil
}

// Lanes returns the webhooks that have messages in their lanes, with how many.
func (c *Conn) Lanes(ctx context.Context) (map[string]uint64, error) {
	subjects, err := c.subjects(ctx, proto.PrefixLanes+".*")
	if err != nil {
		return nil, err
	}
	lanes := make(map[string]uint64, len(subjects))
	for subject, n := range subjects {
		lanes[strings.TrimPrefix(subject, proto.PrefixLanes+".")] = n
	}
	return lanes, nil
}

func (c *Conn) subjects(ctx context.Context, filter string) (map[string]uint64, error) {
	lanes, err := c.js.Stream(ctx, proto.StreamLanes)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", proto.StreamLanes, unavailable(err))
	}
	info, err := lanes.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", filter, unavailable(err))
	}
	return info.State.Subjects, nil
}

// Discard removes every delivery that waits for a webhook, scheduled ones
// included, and the lane's consumer.
func (c *Conn) Discard(ctx context.Context, webhookID string) error {
	lanes, err := c.js.Stream(ctx, proto.StreamLanes)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", proto.StreamLanes, unavailable(err))
	}
	// Schedules first: one that fires in between lands in the lane and is
	// purged there.
	for _, subject := range []string{proto.SubjectRetries(webhookID), proto.SubjectLane(webhookID)} {
		if err := lanes.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("purge %s: %w", subject, unavailable(err))
		}
	}
	return c.CloseLane(ctx, webhookID)
}

// LaneOrganization returns the organization of a lane, read off its newest
// message, "" when the lane is empty.
func (c *Conn) LaneOrganization(ctx context.Context, webhookID string) (string, error) {
	lanes, err := c.js.Stream(ctx, proto.StreamLanes)
	if err != nil {
		return "", fmt.Errorf("open stream %s: %w", proto.StreamLanes, unavailable(err))
	}
	msg, err := lanes.GetLastMsgForSubject(ctx, proto.SubjectLane(webhookID))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read lane %s: %w", webhookID, unavailable(err))
	}
	return msg.Header.Get(proto.HeaderOrganization), nil
}
