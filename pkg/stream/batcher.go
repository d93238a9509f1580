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
	// batchMessages and batchBytes bound what leaves together. The server takes
	// up to 1,000 messages, and has them twice while it stores them.
	batchMessages = 256
	batchBytes    = 1 << 20

	// noBatchesFor is for how long messages leave one by one after the server has
	// said that it takes no batches: it may be replaced.
	noBatchesFor = time.Minute
)

// batcher stores messages of one stream, several at a time while publishers are
// many: what comes while others are on their way leaves as one atomic batch,
// which the server stores whole and syncs once (docs/adr/0009). A publisher alone
// never waits for company.
//
// No more messages wait than publishers do.
type batcher struct {
	c *Conn

	mu       sync.Mutex
	waiting  []*pending
	flushing bool
	apart    time.Time // until when messages leave one by one
}

// pending is one message on its way, and who waits for it.
type pending struct {
	msg  *nats.Msg
	came time.Time
	done chan error // has room for the answer
}

// store stores a message and returns when the server has acknowledged it, as
// Conn.store does. While the server does not answer it may take twice as long,
// for what was on its way before.
func (b *batcher) store(ctx context.Context, msg *nats.Msg) error {
	p := &pending{msg: msg, came: time.Now(), done: make(chan error, 1)}
	b.mu.Lock()
	b.waiting = append(b.waiting, p)
	first := !b.flushing
	b.flushing = true
	b.mu.Unlock()
	if first {
		go b.flush() //nolint:contextcheck // it publishes for others too, who may wait longer
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		b.forget(p)
		return unavailable(ctx.Err())
	}
}

// length returns how many messages wait to leave.
func (b *batcher) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// forget takes out a message that nobody waits for any longer, unless it is on
// its way: so no more wait than there are publishers, whatever the server does.
func (b *batcher) forget(p *pending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := slices.Index(b.waiting, p); at >= 0 {
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
}

// flush publishes what waits until nothing does.
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

// take returns what leaves next, and whether it may leave together; nothing
// when nothing waits, and the next that comes has to flush again.
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

// dismiss answers those who have waited for as long as the server may take: it is
// silent, and they would wait longer and longer behind each other. The lock is
// held.
func (b *batcher) dismiss() {
	n := 0
	for ; n < len(b.waiting) && time.Since(b.waiting[n].came) >= publishTimeout; n++ {
		b.waiting[n].done <- unavailable(nats.ErrTimeout)
	}
	b.waiting = slices.Delete(b.waiting, 0, n)
}

// single stores one message. It is nobody's context that bounds it: who waits
// may leave sooner.
func (b *batcher) single(p *pending) {
	p.done <- b.c.store(context.Background(), p.msg)
}

// singles stores messages one by one, side by side.
func (b *batcher) singles(some []*pending) {
	var all sync.WaitGroup
	for _, p := range some {
		all.Go(func() { b.single(p) })
	}
	all.Wait()
}

// batch stores messages together. One that cannot be stored, or is stored
// already, makes the server refuse them all: each then goes by itself, so that
// nobody suffers for another's.
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

// noteRefusal notices why a batch was refused: a stream of an earlier version
// allows none, and a server before 2.12.1 none with message ids.
func (b *batcher) noteRefusal(code jetstream.ErrorCode) {
	if code != jetstreamext.JSErrCodeBatchPublishNotEnabled && code != jetstreamext.JSErrCodeBatchPublishUnsupportedHeader {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apart = time.Now().Add(noBatchesFor)
}
