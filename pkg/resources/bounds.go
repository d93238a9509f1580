package resources

import (
	"context"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/stream"
)

// bounds returns the topology with the bounds in bytes that the settings ask for: a
// bound that they leave to us follows from what NATS lets this account store.
func bounds(ctx context.Context, s config.Settings, conn *stream.Conn) (stream.Topology, error) {
	t := stream.Topology{Retention: s.Retention, Replicas: s.StreamReplicas, Events: int64(s.EventsMaxBytes), Rejected: int64(s.RejectedMaxBytes)}
	if s.EventsMaxBytes != config.Auto {
		return t, nil
	}
	storage, err := conn.StorageLimit(ctx, s.StreamReplicas)
	if err != nil {
		return t, err
	}
	t.Events, t.EventsAtLeast = quota.OfStorage(storage, t.Others()), true
	return t, nil
}

// quotas returns what each organization may have. events is the bound of the events of
// all, 0 for none.
func quotas(s config.Settings, events int64) quota.Limits {
	l := quota.Limits{Events: int64(s.OrganizationEventsMaxBytes), Waiting: int64(s.OrganizationWaitingMaxBytes)}
	if s.OrganizationEventsMaxBytes == config.Auto {
		l.Events = quota.DefaultEvents(events)
	}
	return l
}
