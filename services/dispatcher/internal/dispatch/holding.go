package dispatch

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
)

// holding is one event that the replica holds: from its arrival until each of its
// deliveries is recorded or safely in a lane, and it is acknowledged. When one of
// them is not, it comes again.
type holding struct {
	dispatcher *Dispatcher
	work       context.Context //nolint:containedctx // of the deliveries, which outlive every call
	message    *stream.Message
	span       trace.Span
	let        func() // stops keeping the message alive
	left       atomic.Int32
	unsafe     atomic.Bool
}

// hold begins to hold a message for one thing that has to be done with it.
func (d *Dispatcher) hold(work context.Context, m *stream.Message) *holding {
	d.held.Add(1)
	h := &holding{dispatcher: d, work: work, message: m, let: m.KeepAlive()}
	h.left.Store(1)
	return h
}

// expect says that n more deliveries have to become safe.
func (h *holding) expect(n int) { h.left.Add(int32(n)) } //nolint:gosec // an organization has 100 webhooks

// done says that one of them is safe, or that it is not: the message will come
// again. The last one lets the message go.
func (h *holding) done(safe bool) {
	if !safe {
		h.unsafe.Store(true)
	}
	if h.left.Add(-1) > 0 {
		return
	}
	if !h.unsafe.Load() {
		h.dispatcher.ack(h.work, h.message)
	}
	h.let()
	h.span.End()
	h.dispatcher.held.Done()
}

// delivered is done for a delivery to a webhook, with what kept it from being safe.
func (h *holding) delivered(webhookID string, err error) {
	if err != nil && h.work.Err() == nil {
		h.dispatcher.Log.ErrorContext(h.work, "a delivery is neither recorded nor in its lane; its event will come again",
			slog.String("webhook", webhookID), slog.Uint64("sequence", h.message.Sequence), slog.Any("error", err))
	}
	h.done(err == nil)
}
