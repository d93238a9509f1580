package app_test

import (
	"testing"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/services/config-api/app"
)

func TestWhereBrowsersFindTheService(t *testing.T) {
	t.Parallel()
	for _, tc := range [][3]string{ // PUBLIC_URL, HTTP_ADDR, the URL
		{"https://webhooks.example.com", ":8080", "https://webhooks.example.com"},
		{"", ":8080", "http://localhost:8080"},
		{"", "0.0.0.0:81", "http://localhost:81"},
		{"", "[::]:81", "http://localhost:81"},
		{"", "127.0.0.1:81", "http://127.0.0.1:81"},
		{"", "[::1]:81", "http://[::1]:81"},
		{"", "api.internal:81", "http://api.internal:81"},
		{"", "nonsense", "http://localhost:8080"},
	} {
		cfg, _, err := app.FromSettings(config.Settings{PublicURL: tc[0], HTTPAddr: tc[1], EndpointPorts: "443"})
		if err != nil || cfg.PublicURL != tc[2] {
			t.Errorf("%q at %q: %q, %v; want %q", tc[0], tc[1], cfg.PublicURL, err, tc[2])
		}
	}
}
