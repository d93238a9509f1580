package app

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/trace"
	configapi "github.com/dialnote/webhooks/services/config-api/app"
)

func newAPI(s config.Settings, b *resources.Resources, fleet *stream.Fleet, health *ops.Health, registry *prometheus.Registry, tracer *trace.Tracer, log *slog.Logger) (*configapi.App, error) {
	cfg, checkURL, err := configapi.FromSettings(s)
	if err != nil {
		return nil, err
	}
	cfg.Quotas = b.Quotas
	api, err := configapi.New(cfg, configapi.Dependencies{
		Store: b.Store, Stream: b.Stream, Fleet: fleet, Box: b.Box, CheckURL: checkURL,
		Health: health, Registry: registry, Now: time.Now, Log: log, Tracer: tracer,
	})
	if err != nil {
		return nil, fmt.Errorf("make the config API: %w", err)
	}
	return api, nil
}
