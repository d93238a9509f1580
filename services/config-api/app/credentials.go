package app

import (
	"fmt"
	"net"
	"strings"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
)

// defaultPublicURL is where browsers find a service without PUBLIC_URL.
const defaultPublicURL = "http://localhost:8080"

// credentials are the parts that authenticate callers.
type credentials struct {
	*auth.Authenticator
	tokens  *auth.Rotation
	cookies auth.Cookies
}

func newCredentials(cfg Config, deps Dependencies) (*credentials, error) {
	tokens, err := auth.NewRotation(cfg.APITokens, cfg.APITokensFile, deps.Log)
	if err != nil {
		return nil, fmt.Errorf("read the service tokens: %w", err)
	}
	origins, err := auth.NewOrigins(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("%sPUBLIC_URL: %w", config.Prefix, err)
	}
	cookies := auth.Cookies{Secure: strings.HasPrefix(cfg.PublicURL, "https://")}
	return &credentials{
		Authenticator: &auth.Authenticator{
			Tokens: tokens, Credentials: deps.Store, Origins: origins, Now: deps.Now, Log: deps.Log,
			Cookies: cookies,
		},
		tokens:  tokens,
		cookies: cookies,
	}, nil
}

// publicURL returns where browsers find the service: PUBLIC_URL, or else this
// machine.
func publicURL(s config.Settings) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	host, port, err := net.SplitHostPort(s.HTTPAddr)
	if err != nil {
		return defaultPublicURL
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
