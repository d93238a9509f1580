// Package usage tells a service which organizations have reached a quota. The replica
// that counts writes the list (store.Usage); every replica of every service reads it.
package usage

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
)

// every is how often the list is read.
const every = time.Second

// Source is the part of the store that has the list.
type Source interface {
	Over(ctx context.Context) ([]store.OverQuota, error)
}

// Watch is the list as it was read last. Safe for concurrent use.
type Watch struct {
	source Source
	log    *slog.Logger
	over   atomic.Pointer[map[string][]store.OverQuota] // by organization
}

// NewWatch returns an empty list; Run reads it.
func NewWatch(source Source, log *slog.Logger) *Watch {
	w := &Watch{source: source, log: log}
	w.over.Store(&map[string][]store.OverQuota{})
	return w
}

// Run reads the list every second until ctx ends. While the database is away the list
// stays as it is.
func (w *Watch) Run(ctx context.Context) {
	troubled := false
	for ctx.Err() == nil {
		err := w.Read(ctx)
		if err != nil && !troubled && ctx.Err() == nil {
			w.log.Warn("organizations over their quotas not read, retrying", slog.Any("error", err))
		}
		troubled = err != nil
		backoff.Sleep(ctx, every)
	}
}

// Read reads the list once.
func (w *Watch) Read(ctx context.Context) error {
	list, err := w.source.Over(ctx)
	if err != nil {
		return err
	}
	over := make(map[string][]store.OverQuota)
	for _, one := range list {
		over[one.OrganizationID] = append(over[one.OrganizationID], one)
	}
	w.over.Store(&over)
	return nil
}

// Of returns the quotas that an organization has reached, none for most.
func (w *Watch) Of(organizationID string) []store.OverQuota { return (*w.over.Load())[organizationID] }

// Counts returns how many organizations have reached each quota.
func (w *Watch) Counts() map[string]int {
	counts := make(map[string]int)
	for _, name := range quota.Names() {
		counts[string(name)] = 0
	}
	for _, list := range *w.over.Load() {
		for _, one := range list {
			counts[string(one.Quota)]++
		}
	}
	return counts
}
