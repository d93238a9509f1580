package app

import (
	"fmt"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// FromSettings returns the configuration and the check of webhooks' URLs as the
// settings say.
func FromSettings(s config.Settings) (cfg Config, checkURL func(string) error, err error) {
	ports, err := endpoint.ParsePorts(s.EndpointPorts)
	if err != nil {
		return Config{}, nil, fmt.Errorf("%sENDPOINT_PORTS: %w", config.Prefix, err)
	}
	policy := endpoint.Policy{AllowHTTP: s.AllowHTTPEndpoints, AllowPrivate: s.AllowPrivateEndpoints, Ports: ports}
	return Config{APITokens: s.APITokens, MaxWebhooks: s.MaxWebhooks, ZapierHosts: s.ZapierHosts, DeliveryTimeout: s.DeliveryTimeout}, policy.Check, nil
}
