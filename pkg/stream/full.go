package stream

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto"
)

// A stream that has a bound in bytes refuses what is over it. That is no fault of the
// server, which goes on as before: what was accepted is delivered, and a message is
// stored again as soon as older ones have left.

// fullCode is the code of the fault of an event for which there is no room.
const fullCode = "no-room-for-events"

// fullAgain is after which time a caller may try again.
const fullAgain = time.Minute

// levelKept is for how long the answer is used whether a stream is full: while it is,
// each message is refused.
const levelKept = time.Second

// IsFull reports whether an error says that a stream has no room for a message.
func IsFull(err error) bool { return err != nil && fault.Of(err).Code == fullCode }

func fullFault(subject string) *fault.Error {
	text := "There is no room for deliveries that wait at the moment."
	if strings.HasPrefix(subject, proto.PrefixEvents+".") {
		text = "There is no room for more events at the moment: those of all organizations take all the storage that events may have. " +
			"What was accepted is delivered. Publish the event again later; there is room when old events have left."
	}
	f := fault.New(fault.Unavailable, fullCode, text)
	f.RetryAfter = fullAgain
	return f
}

// fullness keeps which streams had how much room a moment ago.
type fullness struct {
	mu   sync.Mutex
	at   map[string]time.Time // when each was looked at, by stream
	room map[string]int64     // bytes for which it had room; negative for no bound
}

// full reports whether the stream of a message has a bound and no room for it. When
// the server does not answer it reports true: it has just refused the message.
func (c *Conn) full(ctx context.Context, msg *nats.Msg) bool {
	name := proto.StreamLanes
	if strings.HasPrefix(msg.Subject, proto.PrefixEvents+".") {
		name = proto.StreamEvents
	}
	const longer = 64 // the subject under which it is stored may be
	size, now := storedBytes(msg.Subject, msg.Header, len(msg.Data))+longer, time.Now()
	f := &c.fullness
	f.mu.Lock()
	defer f.mu.Unlock()
	if room, known := f.room[name]; known && now.Sub(f.at[name]) < levelKept && room >= 0 && room < size {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	info, err := c.lookAt(ctx, name)
	if err != nil || info == nil {
		return true
	}
	room := info.Config.MaxBytes
	if room > 0 {
		room = max(room-int64(info.State.Bytes), 0) //nolint:gosec // a stream never holds 2^63 bytes
	}
	if f.at == nil {
		f.at, f.room = make(map[string]time.Time), make(map[string]int64)
	}
	f.at[name], f.room[name] = now, room
	return room >= 0 && room < size
}
