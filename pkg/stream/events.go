package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/proto"
)

// Publish stores an event in the event stream and returns when the server has
// acknowledged it. The same id of the same organization again is the same event:
// dispatchers deliver it once. While the broker is away, or has no room for events, it
// returns a fault of kind Unavailable; IsFull tells the latter.
func (c *Conn) Publish(ctx context.Context, e event.Event) error {
	return c.publish(ctx, e, proto.ContentTypeJSON, e.Body())
}

// PublishProto is Publish for an event that was read off a protobuf message,
// which is stored as it is.
func (c *Conn) PublishProto(ctx context.Context, e event.Event, message []byte) error {
	return c.publish(ctx, e, proto.ContentTypeProtobuf, message)
}

func (c *Conn) publish(ctx context.Context, e event.Event, contentType string, data []byte) error {
	msg := &nats.Msg{
		Subject: proto.SubjectEvent(e.OrganizationID, string(e.Type)),
		Header: nats.Header{
			jetstream.MsgIDHeader:   {proto.EventMessageID(e.OrganizationID, e.ID)},
			proto.HeaderContentType: {contentType},
		},
		Data: data,
	}
	if c.admits {
		msg.Header.Set(proto.HeaderAdmitted, "1")
	}
	trace.Inject(ctx, msg.Header)
	store := c.store
	if c.events != nil {
		store = c.events.store
	}
	if err := store(ctx, msg); err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return nil
}

// Message is one message of a stream, held until it is acknowledged.
type Message struct {
	Subject     string // that it was published to
	ContentType string
	MessageID   string // the publisher's Nats-Msg-Id, "" for none
	Data        []byte
	Sequence    uint64      // in its stream
	Stored      time.Time   // when the server stored it
	Deliveries  uint64      // how often it was handed out, this time included, as far as the server knows
	Redelivered Redelivered // whether it was handed out before, to any replica

	raw    jetstream.Msg
	keep   *sync.Pool  // of *keeper
	header nats.Header // when raw is nil
}

// Redelivered says whether a message was handed out before. The replica that had
// it then may have made some of its deliveries.
type Redelivered uint8

// The values of Redelivered.
const (
	NotRedelivered    Redelivered = iota
	MaybeRedelivered              // the server may have forgotten
	SurelyRedelivered             // the server has counted it
)

// Headers returns the message's headers, in which its trace is named.
func (m *Message) Headers() trace.Headers {
	if m.raw == nil {
		return m.header
	}
	return m.raw.Headers()
}

// Ack acknowledges the message. It does not wait for the server: when the
// acknowledgement is lost, the message is redelivered.
func (m *Message) Ack() error {
	if err := m.raw.Ack(); err != nil {
		return fmt.Errorf("acknowledge message %d: %w", m.Sequence, err)
	}
	return nil
}

// KeepAlive tells the server periodically that the message is being worked on,
// until stop is called. stop must be called once.
func (m *Message) KeepAlive() (stop func()) {
	k := m.keep.Get().(*keeper)
	k.begin(m.raw)
	return func() {
		k.end()
		m.keep.Put(k)
	}
}

// keeper keeps a message alive, and then another one. Most messages are done with in
// milliseconds, so its timer runs on from one to the next: setting and stopping it
// for each would cost more than all else here.
type keeper struct {
	mu      sync.Mutex
	message jetstream.Msg // nil between two
	timer   *time.Timer   // nil before the first message
	runs    bool          // the timer does
}

func newKeeper() any { return &keeper{} }

func (k *keeper) begin(message jetstream.Msg) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.message = message
	switch {
	case k.timer == nil:
		k.timer = time.AfterFunc(ackWait/3, k.tell)
	case !k.runs:
		k.timer.Reset(ackWait / 3)
	}
	k.runs = true
}

// tell extends a message that may have begun just now, which does no harm.
func (k *keeper) tell() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.runs = k.message != nil; !k.runs {
		return
	}
	_ = k.message.InProgress() // when it is lost, the message comes again
	k.timer.Reset(ackWait / 3)
}

func (k *keeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.message = nil
}

// Return gives the message back: it is handed out again after delay, before
// later messages of its stream.
func (m *Message) Return(delay time.Duration) error {
	if err := m.raw.NakWithDelay(delay); err != nil {
		return fmt.Errorf("return message %d: %w", m.Sequence, err)
	}
	return nil
}

// Events is one of the consumers that all dispatchers share. Safe for concurrent use.
type Events struct {
	Name string

	c        *Conn
	division division
	consumer jetstream.Consumer

	mu         sync.Mutex
	looked     bool
	reconnects uint64 // of the connection, when it looked
	suspect    uint64 // events up to this sequence may have been redelivered
}

// EventsOf opens the consumer that hands out an organization's events. Ensure must
// have made it.
func (c *Conn) EventsOf(ctx context.Context, organizationID string) (*Events, error) {
	d, err := c.division(ctx)
	if err != nil {
		return nil, err
	}
	return c.Open(ctx, Source{Name: d.of(organizationID), division: d})
}

// Open opens a consumer that the dispatchers share.
func (c *Conn) Open(ctx context.Context, s Source) (*Events, error) {
	consumer, err := c.js.Consumer(ctx, proto.StreamEvents, s.Name)
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", s.Name, unavailable(err))
	}
	return &Events{Name: s.Name, c: c, division: s.division, consumer: consumer}, nil
}

// Pull asks for at most n events, calls handle for each as it arrives, and
// returns how many came: when n have, or after wait; with no wait, those that are
// there. It keeps no others from the
// other replicas. It does not end before wait when ctx does: an event that the
// server has just handed out would be lost until its AckWait is over.
func (e *Events) Pull(ctx context.Context, n int, wait time.Duration, handle func(*Message)) (int, error) {
	suspect, err := e.look(ctx)
	if err != nil {
		return 0, err
	}
	passed := 0
	got, err := e.c.pull(ctx, e.consumer, n, wait, func(m *Message) {
		if e.division.passes(proto.ParseStored(m.raw.Subject()), m.Sequence) {
			_ = m.Ack() // when it is lost, the event comes again, and is passed by again
			passed++
			return
		}
		if m.Sequence <= suspect {
			m.Redelivered = max(m.Redelivered, MaybeRedelivered)
		}
		handle(m)
	})
	if err != nil {
		e.forget()
	}
	return got - passed, err
}

// forget has the next Pull look again: an operator may have deleted the consumer,
// and the one that a replica created in its place does not know what was handed out.
func (e *Events) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looked = false
}

// look returns up to which sequence events may have been handed out before,
// whatever the server counts. The server stores lazily what it has handed out,
// and forgets some of it when it crashes. So every event that was stored when
// this connection was made has to be compared with the log.
func (e *Events) look(ctx context.Context) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	reconnects := e.c.reconnects()
	if e.looked && reconnects == e.reconnects {
		return e.suspect, nil
	}
	stream, err := e.c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return 0, fmt.Errorf("look for the last event: %w", unavailable(err))
	}
	e.looked, e.reconnects, e.suspect = true, reconnects, stream.CachedInfo().State.LastSeq
	return e.suspect, nil
}

// Pending returns how many of its events have not been handed out to any replica.
func (e *Events) Pending(ctx context.Context) (uint64, error) {
	info, err := e.consumer.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", e.Name, unavailable(err))
	}
	return info.NumPending, nil
}

// pull lets the server end the wait: everything that the server handed out before
// has then arrived.
func (c *Conn) pull(ctx context.Context, consumer jetstream.Consumer, n int, wait time.Duration, handle func(*Message)) (int, error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	if !c.nc.IsConnected() { // the client would keep a subscription of each pull that it cannot send
		return 0, fmt.Errorf("pull: %w", unavailable(nats.ErrDisconnected))
	}
	batch, err := fetch(consumer, n, wait)
	if err != nil {
		return 0, fmt.Errorf("pull: %w", unavailable(err))
	}
	got := 0
	for raw := range batch.Messages() {
		m, err := c.message(raw)
		if err != nil {
			return got, err
		}
		got++
		handle(m)
	}
	if err := batch.Error(); err != nil && !quiet(err) {
		return got, fmt.Errorf("pull: %w", unavailable(err))
	}
	return got, nil
}

func fetch(consumer jetstream.Consumer, n int, wait time.Duration) (jetstream.MessageBatch, error) {
	if wait == 0 {
		return consumer.FetchNoWait(n) //nolint:wrapcheck // pull says what was done
	}
	return consumer.Fetch(n, jetstream.FetchMaxWait(wait)) //nolint:wrapcheck // likewise
}

// quiet reports whether a pull ended because too few messages came, which is no
// failure.
func quiet(err error) bool {
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, jetstream.ErrBatchCompleted) ||
		errors.Is(err, jetstream.ErrMaxBytesExceeded)
}

func (c *Conn) message(raw jetstream.Msg) (*Message, error) {
	meta, err := raw.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read message metadata: %w", err)
	}
	redelivered := NotRedelivered
	if meta.NumDelivered > 1 {
		redelivered = SurelyRedelivered
	}
	return &Message{
		Subject:     proto.ParseStored(raw.Subject()).Subject,
		ContentType: raw.Headers().Get(proto.HeaderContentType),
		MessageID:   raw.Headers().Get(jetstream.MsgIDHeader),
		Data:        raw.Data(),
		Sequence:    meta.Sequence.Stream,
		Stored:      meta.Timestamp,
		Deliveries:  meta.NumDelivered,
		Redelivered: redelivered,
		raw:         raw,
		keep:        &c.keepers,
	}, nil
}

// Reject stores a message that cannot be understood in the rejected stream,
// with the reason, and returns when the server has acknowledged it. The caller
// still has to acknowledge the message itself. The end of a message of the largest
// size is cut off, because the reason needs space too.
func (c *Conn) Reject(ctx context.Context, m *Message, reason string) error {
	return c.reject(ctx, m, rejectedHeader(m, reason))
}

// RejectOver is Reject for an event of an organization that has reached a quota. The
// replica that counts removes the event from its stream.
func (c *Conn) RejectOver(ctx context.Context, m *Message, name quota.Name, reason string) error {
	header := rejectedHeader(m, reason)
	header.Set(proto.HeaderQuota, string(name))
	header.Set(proto.HeaderEventSequence, strconv.FormatUint(m.Sequence, 10))
	header.Set(proto.HeaderEventStored, strconv.FormatInt(m.Stored.UnixNano(), 10))
	header.Set(proto.HeaderSize, strconv.FormatInt(m.Size(), 10))
	return c.reject(ctx, m, header)
}

func rejectedHeader(m *Message, reason string) nats.Header {
	return nats.Header{
		jetstream.MsgIDHeader:   {fmt.Sprintf("rejected:%d", m.Sequence)},
		proto.HeaderContentType: {headerText(m.ContentType)},
		proto.HeaderSubject:     {m.Subject},
		proto.HeaderReason:      {headerText(reason)},
	}
}

func (c *Conn) reject(ctx context.Context, m *Message, header nats.Header) error {
	organization, _, _ := proto.ParseEventSubject(m.Subject)
	msg := &nats.Msg{Subject: proto.SubjectRejected(organization), Header: header, Data: m.Data}
	c.fit(msg)
	if _, err := c.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("reject message %d: %w", m.Sequence, unavailable(err))
	}
	return nil
}

// fit cuts a message's data to the size that the server takes beside its headers.
func (c *Conn) fit(msg *nats.Msg) {
	const slack = 64 // the framing of the headers
	if over := msg.Size() + slack - int(c.nc.MaxPayload()); over > 0 {
		msg.Data = msg.Data[:max(0, len(msg.Data)-over)]
	}
}

// headerText makes text fit for a header: printable and not too long.
func headerText(s string) string {
	const most = 1000
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if len(out) == most {
			break
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
