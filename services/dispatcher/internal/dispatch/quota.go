package dispatch

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
)

// refusable reports whether an event may still be refused: config-api has not accepted
// it, and no replica has begun to deliver it.
func refusable(m *stream.Message) bool {
	return !m.Admitted() && m.Redelivered == stream.NotRedelivered
}

// rejectOver keeps an event of an organization that has reached a quota where an
// operator finds it, and reports whether it is there.
func (d *Dispatcher) rejectOver(work context.Context, m *stream.Message, over store.OverQuota) bool {
	reason := overReason(over)
	err := backoff.Retry(work, d.Log, backoff.Broker, "keep an event that is over a quota", func() error {
		return d.Stream.RejectOver(work, m, over.Quota, reason)
	})
	if err != nil {
		return false
	}
	d.Metrics.OverQuota(over.Quota)
	d.Log.DebugContext(work, "event over a quota rejected", slog.String("organization", over.OrganizationID),
		slog.String("quota", string(over.Quota)), slog.Uint64("sequence", m.Sequence))
	return true
}

// overReason is what an operator reads in the stream of rejected messages.
func overReason(over store.OverQuota) string {
	switch over.Quota {
	case quota.Waiting:
		return fmt.Sprintf("over-quota: deliveries that wait for webhooks of organization %s take %d bytes, its quota %q. "+
			"Enable or delete those webhooks, then publish the event again.", over.OrganizationID, over.Bytes, over.Quota)
	case quota.Events:
	}
	return fmt.Sprintf("over-quota: the events of organization %s take %d bytes, its quota %q. "+
		"Publish the event again when old ones have left, or raise the quota.", over.OrganizationID, over.Bytes, over.Quota)
}
