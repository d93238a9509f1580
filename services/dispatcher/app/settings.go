package app

import (
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/resources"
)

// FromSettings returns the replica's configuration as the settings say.
func FromSettings(s config.Settings) Config {
	return Config{
		Policy:             delivery.Policy{Schedule: s.RetrySchedule, AutoDisableAfter: s.AutoDisableAfter},
		DeliveryTimeout:    s.DeliveryTimeout,
		MaxInFlight:        s.MaxInFlight,
		WebhookMaxInFlight: s.WebhookMaxInFlight,
		Retention:          s.Retention,
		AuditRetention:     s.AuditRetention,
	}
}

// NewSender returns the guarded client that all requests leave by.
func NewSender(s config.Settings, version string) (*egress.Client, error) {
	return resources.NewSender(s, version)
}
