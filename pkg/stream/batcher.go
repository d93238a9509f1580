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
	// batchMessages and batchBytes bound a batch. The server takes up to 1,000
	// messages, and holds them twice while it stores them.
	batchMessages = 256
	batchBytes    = 1 << 20

	// noBatchesFor is how long messages are published one by one after the server
	// refused batches as such. Then it may have been replaced by a newer one.
	noBatchesFor = time.Minute
)

// batcher publishes the messages of one stream, in atomic batches when several
// publishers are at work: the messages that arrive while a batch is being stored
// are the next batch, which the server stores whole and syncs once
// (docs/adr/0009). A message that arrives alone is published at once.
//
// No more messages wait than there are callers of store.
type batcher struct {
	c *Conn

	mu       sync.Mutex
	waiting  []*pending
	flushing bool
	apart    time.Time // until when messages are published one by one
}

// pending is one message and the caller of store that waits for its result.
type pending struct {
	msg  *nats.Msg
	came time.Time
	done chan error // buffered: the result is sent once
}

// store publishes a message and returns when the server has acknowledged it, as
// Conn.store does. While the server does not answer it may take twice as long,
// because the batch before it has to end first.
func (b *batcher) store(ctx context.Context, msg *nats.Msg) error {
	p := &pending{msg: msg, came: time.Now(), done: make(chan error, 1)}
	b.mu.Lock()
	b.waiting = append(b.waiting, p)
	first := !b.flushing
	b.flushing = true
	b.mu.Unlock()
	if first {
		go b.flush() //nolint:contextcheck // it also publishes for callers whose contexts last longer
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		b.forget(p)
		return unavailable(ctx.Err())
	}
}

// length returns how many messages wait to be published.
func (b *batcher) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// forget removes a message whose caller has left, unless it is being published.
// So no more messages wait than there are callers, even if the server is silent.
func (b *batcher) forget(p *pending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := slices.Index(b.waiting, p); at >= 0 {
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
}

// flush publishes until no message waits.
func (b *batcher) flush() {
	for {
		some, together := b.take()
		switch {
		case len(some) == 0:
			return
		case len(some) == 1:
			b.single(some[0])
		case !together:
			b.singles(some)
		default:
			b.batch(some)
		}
	}
}

// take returns the messages to publish next, and whether they may be a batch. It
// returns none when none wait; the next caller of store then starts flush again.
func (b *batcher) take() (some []*pending, together bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dismiss()
	n, size := 0, 0
	for n < min(len(b.waiting), batchMessages) && (n == 0 || size+b.waiting[n].msg.Size() <= batchBytes) {
		size += b.waiting[n].msg.Size()
		n++
	}
	if n == 0 {
		b.flushing = false
		return nil, false
	}
	some = slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return some, !time.Now().Before(b.apart)
}

// dismiss returns an error to the callers that have waited for publishTimeout:
// the server is silent, and each would wait longer than the one before. The
// caller holds the lock.
func (b *batcher) dismiss() {
	n := 0
	for ; n < len(b.waiting) && time.Since(b.waiting[n].came) >= publishTimeout; n++ {
		b.waiting[n].done <- unavailable(nats.ErrTimeout)
	}
	b.waiting = slices.Delete(b.waiting, 0, n)
}

// single publishes one message. No caller's context bounds it, since the caller
// may leave while the message is being published.
func (b *batcher) single(p *pending) {
	p.done <- b.c.store(context.Background(), p.msg)
}

// singles publishes messages one by one, concurrently.
func (b *batcher) singles(some []*pending) {
	var all sync.WaitGroup
	for _, p := range some {
		all.Go(func() { b.single(p) })
	}
	all.Wait()
}

// batch publishes messages together. The server refuses the whole batch when one
// of its messages cannot be stored, or is stored already. Each is then published
// by itself, so that no caller gets an error for another one's message.
func (b *batcher) batch(some []*pending) {
	messages := make([]*nats.Msg, len(some))
	for n, p := range some {
		messages[n] = p.msg
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	_, err := jetstreamext.PublishMsgBatch(ctx, b.c.js, messages, jetstreamext.BatchFlowControl{AckFirst: false})
	refusal, refused := errors.AsType[*jetstream.APIError](err)
	if refused {
		b.noteRefusal(refusal.ErrorCode)
	}
	if err = unavailable(err); err == nil || !refused && fault.Is(err, fault.Unavailable) {
		b.c.noteWrite(err, time.Now())
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
	b.singles(some)
}

// noteRefusal stops batches for a while when the server refused one because it
// takes none: a stream of an earlier version allows none, and a server before
// 2.12.1 none with message ids.
func (b *batcher) noteRefusal(code jetstream.ErrorCode) {
	if code != jetstreamext.JSErrCodeBatchPublishNotEnabled && code != jetstreamext.JSErrCodeBatchPublishUnsupportedHeader {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apart = time.Now().Add(noBatchesFor)
}
