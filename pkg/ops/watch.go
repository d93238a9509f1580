package ops

import (
	"context"
	"log/slog"
	"time"
)

// watchEvery is how often the parts are looked at for the log.
const watchEvery = 5 * time.Second

// Watch logs when a part that the service needs ceases to work, why, and when it
// works again: one line each time, however many requests and deliveries meet with
// it. It returns when ctx ends.
func (h *Health) Watch(ctx context.Context, log *slog.Logger) {
	away := make(map[string]bool)
	again := time.NewTicker(watchEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		wrong := h.Ready(ctx)
		for _, part := range h.parts() {
			err := wrong[part]
			switch {
			case ctx.Err() != nil: // nothing is known
			case err != nil && !away[part]:
				log.LogAttrs(ctx, slog.LevelWarn, "part does not work, not ready until it does", slog.String("part", part), slog.Any("error", err))
			case err == nil && away[part]:
				log.LogAttrs(ctx, slog.LevelInfo, "part works again", slog.String("part", part))
			}
			away[part] = err != nil
		}
	}
}
