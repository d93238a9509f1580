package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/admin"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// OpenOperator opens the database and the broker for an operator's commands. It
// changes neither the schema nor the streams. by is the actor in the audit log. Its
// errors are those of resources.Attach, and wrong settings.
func OpenOperator(ctx context.Context, s config.Settings, by audit.Actor, log *slog.Logger) (o *admin.Operator, closeAll func(), err error) {
	_, checkURL, err := FromSettings(s)
	if err != nil {
		return nil, nil, err
	}
	b, err := resources.Attach(ctx, s, resources.NATS(s, "config-api"), log)
	if err != nil {
		return nil, nil, err
	}
	fleet, err := b.Stream.WatchFleet()
	if err != nil {
		b.Close(log)
		return nil, nil, err
	}
	return &admin.Operator{
		By: by, Organizations: b.Store, Rejected: b.Stream,
		Manage: &manage.Service{
			Webhooks: b.Store, Deliveries: b.Store, DeliveryLog: b.Store, Recoveries: b.Store, Waiting: b.Store, Audit: b.Store,
			Stream: b.Stream, Fleet: fleet,
			Rules: webhook.Rules{ZapierHosts: s.ZapierHosts, CheckURL: checkURL},
			Now:   time.Now, Log: log,
		},
	}, func() { fleet.Close(); b.Close(log) }, nil
}
