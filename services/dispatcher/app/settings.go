package app

import (
	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/resources"
)

// FromSettings returns the configuration that the settings ask for.
func FromSettings(s config.Settings) Config {
	return Config{
		Policy:             delivery.Policy{Schedule: s.RetrySchedule, AutoDisableAfter: s.AutoDisableAfter},
		DeliveryTimeout:    s.DeliveryTimeout,
		MaxInFlight:        s.MaxInFlight,
		WebhookMaxInFlight: s.WebhookMaxInFlight,
		Retention:          s.Retention,
		AuditRetention:     s.AuditRetention,
		LogMaxBytes:        max(int64(s.LogMaxBytes), 0), // standalone knows its disk
	}
}

// NewSender returns the guarded client that sends all requests to receivers.
func NewSender(s config.Settings, version string) (*egress.Client, error) {
	return resources.NewSender(s, version)
}
