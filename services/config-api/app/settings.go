package app

import (
	"fmt"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/services/config-api/internal/ratelimit"
)

// strangersAtOnce is how many requests without a good credential one address
// may make at once: a program with an old key has a few tries before it waits.
const strangersAtOnce = 50

// FromSettings returns the configuration and the check of webhooks' URLs as the
// settings say.
func FromSettings(s config.Settings) (cfg Config, checkURL func(string) error, err error) {
	ports, err := endpoint.ParsePorts(s.EndpointPorts)
	if err != nil {
		return Config{}, nil, fmt.Errorf("%sENDPOINT_PORTS: %w", config.Prefix, err)
	}
	policy := endpoint.Policy{AllowHTTP: s.AllowHTTPEndpoints, AllowPrivate: s.AllowPrivateEndpoints, Deny: s.DenyNetworks, Ports: ports}
	return Config{
		APITokens: s.APITokens, APITokensFile: s.APITokensFile, PublicURL: publicURL(s), MaxWebhooks: s.MaxWebhooks, ZapierHosts: s.ZapierHosts, DeliveryTimeout: s.DeliveryTimeout,
		Limits: Limits{
			Organization:   ratelimit.Limit{PerSecond: s.RateLimit, Burst: s.RateBurst},
			Address:        ratelimit.Limit{PerSecond: s.AddressRateLimit, Burst: strangersAtOnce},
			TrustedProxies: s.TrustedProxies,
		},
		DisableAfter: s.AutoDisableAfter, Retention: s.Retention,
		EmbedHosts: s.EmbedHosts,
	}, policy.Check, nil
}
