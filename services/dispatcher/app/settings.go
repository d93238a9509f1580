package app

import (
	"fmt"
	"net/http"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// FromSettings returns the replica's configuration as the settings say.
func FromSettings(s config.Settings) Config {
	return Config{
		Policy:             delivery.Policy{Schedule: s.RetrySchedule, AutoDisableAfter: s.AutoDisableAfter},
		DeliveryTimeout:    s.DeliveryTimeout,
		MaxInFlight:        s.MaxInFlight,
		WebhookMaxInFlight: s.WebhookMaxInFlight,
		Retention:          s.Retention,
	}
}

// NewSender returns the guarded client that all requests leave by.
func NewSender(s config.Settings, version string) (*egress.Client, error) {
	ports, err := endpoint.ParsePorts(s.EndpointPorts)
	if err != nil {
		return nil, fmt.Errorf("%sENDPOINT_PORTS: %w", config.Prefix, err)
	}
	client, err := egress.New(egress.Config{
		Timeout:        s.DeliveryTimeout,
		Policy:         endpoint.Policy{AllowHTTP: s.AllowHTTPEndpoints, AllowPrivate: s.AllowPrivateEndpoints, Ports: ports},
		UserAgent:      delivery.UserAgent(version),
		ExtraCAFile:    s.ExtraCAFile,
		MaxIdlePerHost: max(s.WebhookMaxInFlight, http.DefaultMaxIdleConnsPerHost),
		MaxIdle:        2 * s.MaxInFlight,
	})
	if err != nil {
		return nil, fmt.Errorf("make the delivery client: %w", err)
	}
	return client, nil
}
