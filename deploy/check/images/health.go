package main

import (
	"context"
	"sync"
	"time"
)

// health runs the containers' health checks, each at its interval, and every
// second until it has succeeded once. Podman leaves that to systemd's timers,
// which are not there.
type health struct {
	engine *engine

	mu    sync.Mutex
	first map[string]time.Time // when a container was first healthy, by its id and start
	next  map[string]time.Time // when it is to be asked again; far away while it is asked
}

func watchHealth(ctx context.Context, e *engine) *health {
	h := &health{engine: e, first: map[string]time.Time{}, next: map[string]time.Time{}}
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			h.askAll(ctx)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return h
}

// since returns when a container was first healthy after its present start.
func (h *health) since(c container) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first[key(c)]
}

func key(c container) string { return c.ID + c.State.StartedAt.String() }

func (h *health) askAll(ctx context.Context) {
	all, err := h.engine.containers(ctx)
	if err != nil {
		return // a container was removed meanwhile; the next second shows the others
	}
	for _, c := range all {
		if c.State.Status == "running" && c.checked() && h.due(c, time.Now()) {
			go h.ask(ctx, c)
		}
	}
}

func (h *health) due(c container, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Before(h.next[key(c)]) {
		return false
	}
	h.next[key(c)] = now.Add(time.Hour)
	return true
}

func (h *health) ask(ctx context.Context, c container) {
	var said struct{ Status string }
	err := h.engine.get(ctx, "/v4.0.0/libpod/containers/"+c.ID+"/healthcheck", &said)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next[key(c)] = time.Now().Add(time.Second)
	if err != nil || said.Status != "healthy" {
		return
	}
	h.next[key(c)] = time.Now().Add(c.Config.Healthcheck.Interval)
	if h.first[key(c)].IsZero() {
		h.first[key(c)] = time.Now()
	}
}
