package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/dialnote/webhooks/pkg/fault"
)

const (
	// intakeMessages and intakeBytes bound what leaves together. The server takes
	// up to 1,000 messages, and has them twice while it stores them.
	intakeMessages = 256
	intakeBytes    = 1 << 20

	// intakeApart is for how long messages leave one by one after the server has
	// said that it takes no batches: it may be replaced.
	intakeApart = time.Minute
)

// intake stores messages of one stream, several at a time while publishers are
// many: what comes while others are on their way leaves as one atomic batch,
// which the server stores whole and syncs once (docs/adr/0009). A publisher alone
// never waits for company.
//
// No more messages wait than publishers do.
type intake struct {
	c *Conn

	mu      sync.Mutex
	waiting []*parcel
	flying  bool
	apart   time.Time // until when messages leave one by one
}

// parcel is one message on its way, and who waits for it.
type parcel struct {
	msg  *nats.Msg
	came time.Time
	done chan error // has room for the answer
}

// store stores a message and returns when the server has acknowledged it, as
// Conn.store does. While the server does not answer it may take twice as long,
// for what was on its way before.
func (i *intake) store(ctx context.Context, msg *nats.Msg) error {
	p := &parcel{msg: msg, came: time.Now(), done: make(chan error, 1)}
	i.mu.Lock()
	i.waiting = append(i.waiting, p)
	first := !i.flying
	i.flying = true
	i.mu.Unlock()
	if first {
		go i.fly() //nolint:contextcheck // it publishes for others too, who may wait longer
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		i.forget(p)
		return unavailable(ctx.Err())
	}
}

// length returns how many messages wait to leave.
func (i *intake) length() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.waiting)
}

// forget takes out a message that nobody waits for any longer, unless it is on
// its way: so no more wait than there are publishers, whatever the server does.
func (i *intake) forget(p *parcel) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at := slices.Index(i.waiting, p); at >= 0 {
		i.waiting = slices.Delete(i.waiting, at, at+1)
	}
}

// fly publishes what waits until nothing does.
func (i *intake) fly() {
	for {
		some, together := i.take()
		switch {
		case len(some) == 0:
			return
		case len(some) == 1:
			i.single(some[0])
		case !together:
			i.singles(some)
		default:
			i.batch(some)
		}
	}
}

// take returns what leaves next, and whether it may leave together; nothing
// when nothing waits, and the next that comes has to fly again.
func (i *intake) take() (some []*parcel, together bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dismiss()
	n, size := 0, 0
	for n < min(len(i.waiting), intakeMessages) && (n == 0 || size+i.waiting[n].msg.Size() <= intakeBytes) {
		size += i.waiting[n].msg.Size()
		n++
	}
	if n == 0 {
		i.flying = false
		return nil, false
	}
	some = slices.Clone(i.waiting[:n])
	i.waiting = slices.Delete(i.waiting, 0, n)
	return some, !time.Now().Before(i.apart)
}

// dismiss answers those who have waited for as long as the server may take: it is
// silent, and they would wait longer and longer behind each other. The lock is
// held.
func (i *intake) dismiss() {
	n := 0
	for ; n < len(i.waiting) && time.Since(i.waiting[n].came) >= publishTimeout; n++ {
		i.waiting[n].done <- unavailable(nats.ErrTimeout)
	}
	i.waiting = slices.Delete(i.waiting, 0, n)
}

// single stores one message. It is nobody's context that bounds it: who waits
// may leave sooner.
func (i *intake) single(p *parcel) {
	p.done <- i.c.store(context.Background(), p.msg)
}

// singles stores messages one by one, side by side.
func (i *intake) singles(some []*parcel) {
	var all sync.WaitGroup
	for _, p := range some {
		all.Go(func() { i.single(p) })
	}
	all.Wait()
}

// batch stores messages together. One that cannot be stored, or is stored
// already, makes the server refuse them all: each then goes by itself, so that
// nobody suffers for another's.
func (i *intake) batch(some []*parcel) {
	messages := make([]*nats.Msg, len(some))
	for n, p := range some {
		messages[n] = p.msg
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	_, err := jetstreamext.PublishMsgBatch(ctx, i.c.js, messages, jetstreamext.BatchFlowControl{AckFirst: false})
	refusal, refused := errors.AsType[*jetstream.APIError](err)
	if refused {
		i.keepApart(refusal.ErrorCode)
	}
	if err = unavailable(err); err == nil || !refused && fault.Is(err, fault.Unavailable) {
		for _, p := range some {
			p.done <- err
		}
		return
	}
	for _, msg := range messages {
		for _, header := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
			msg.Header.Del(header)
		}
	}
	i.singles(some)
}

// keepApart notices why a batch was refused: a stream of an earlier version
// allows none, and a server before 2.12.1 none with message ids.
func (i *intake) keepApart(code jetstream.ErrorCode) {
	if code != jetstreamext.JSErrCodeBatchPublishNotEnabled && code != jetstreamext.JSErrCodeBatchPublishUnsupportedHeader {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.apart = time.Now().Add(intakeApart)
}
