package resources

import (
	"fmt"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// NewSender returns the guarded client through which all requests to endpoints
// leave.
func NewSender(s config.Settings, version string) (*egress.Client, error) {
	ports, err := endpoint.ParsePorts(s.EndpointPorts)
	if err != nil {
		return nil, fmt.Errorf("%sENDPOINT_PORTS: %w", config.Prefix, err)
	}
	client, err := egress.New(egress.Config{
		Timeout:        s.DeliveryTimeout,
		Policy:         endpoint.Policy{AllowHTTP: s.AllowHTTPEndpoints, AllowPrivate: s.AllowPrivateEndpoints, Deny: s.DenyNetworks, Ports: ports},
		UserAgent:      delivery.UserAgent(version),
		ExtraCAFile:    s.ExtraCAFile,
		Proxy:          s.OutboundProxy,
		MaxIdlePerHost: s.MaxInFlight, // all of them may be one organization's, to one host
		MaxIdle:        2 * s.MaxInFlight,
	})
	if err != nil {
		return nil, fmt.Errorf("make the delivery client: %w", err)
	}
	return client, nil
}
