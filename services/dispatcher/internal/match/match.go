// Package match finds the webhooks that an event goes to.
//
// It answers from a cache of each organization's webhooks: loaded on demand,
// bounded, and used only while the replica's lease proves that it has seen
// every announced change. Without the lease each answer comes from the
// database.
package match

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Source reads an organization's webhooks from the database.
type Source interface {
	All(ctx context.Context, organizationID string) ([]webhook.Webhook, error)
}

// Lease says whether the cache may be used.
type Lease interface{ Fresh() bool }

const (
	// idle is how long an organization without events stays in the cache.
	idle = 10 * time.Minute

	// stripes is how many counters tell whether an organization was dropped
	// while it was being loaded. Organizations that share one only reload more.
	stripes = 1024
)

// Matcher finds webhooks. Safe for concurrent use.
type Matcher struct {
	source Source
	lease  Lease
	cache  *otter.Cache[string, []*Target]
	loads  singleflight.Group
	seed   maphash.Seed
	drops  [stripes]stripe
	stats  Stats
}

// stripe counts the drops of some organizations. Its lock makes one step of
// looking at the count and keeping what was loaded, so that what was dropped
// meanwhile is never seen again.
type stripe struct {
	mu    sync.Mutex
	drops uint64
}

func (s *stripe) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drops
}

func (s *stripe) drop(forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	forget()
}

func (s *stripe) keep(since uint64, keep func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == since {
		keep()
	}
}

// Stats counts what the cache did.
type Stats struct {
	Hits, Misses, Unleased atomic.Uint64
}

// New returns a matcher whose cache holds at most size webhooks.
func New(source Source, lease Lease, size int) (*Matcher, error) {
	cache, err := otter.New(&otter.Options[string, []*Target]{
		MaximumWeight:    uint64(size),                                                                 //nolint:gosec // a positive setting
		Weigher:          func(_ string, targets []*Target) uint32 { return uint32(1 + len(targets)) }, //nolint:gosec // at most 10,000 webhooks an organization
		ExpiryCalculator: otter.ExpiryAccessing[string, []*Target](idle),
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d webhooks: %w", size, err)
	}
	return &Matcher{source: source, lease: lease, cache: cache, seed: maphash.MakeSeed()}, nil
}

// Match returns the webhooks of an organization that send events of type t:
// also those on hold or disabled automatically, whose events wait.
func (m *Matcher) Match(ctx context.Context, organizationID string, t event.Type) ([]*Target, error) {
	all, err := m.all(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	matching := make([]*Target, 0, len(all))
	for _, target := range all {
		if target.Webhook.Event.Matches(t) {
			matching = append(matching, target)
		}
	}
	return matching, nil
}

// Find returns one webhook of an organization, or nil when it is not there.
func (m *Matcher) Find(ctx context.Context, organizationID, webhookID string) (*Target, error) {
	all, err := m.all(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	for _, target := range all {
		if target.Webhook.ID == webhookID {
			return target, nil
		}
	}
	return nil, nil //nolint:nilnil // absent is an answer here, not an error
}

// Drop forgets an organization's webhooks: the next answer is read from the
// database, and one being read now is not kept.
func (m *Matcher) Drop(organizationID string) {
	m.stripe(organizationID).drop(func() { m.cache.Invalidate(organizationID) })
}

// DropAll forgets everything.
func (m *Matcher) DropAll() {
	for i := range m.drops {
		m.drops[i].drop(func() {}) // before anything is forgotten, so that no load is kept after
	}
	m.cache.InvalidateAll()
}

// Stats returns the cache's counters.
func (m *Matcher) Stats() *Stats { return &m.stats }

// Size returns how many webhooks the cache holds, about.
func (m *Matcher) Size() uint64 { return m.cache.WeightedSize() }

func (m *Matcher) stripe(organizationID string) *stripe {
	return &m.drops[maphash.String(m.seed, organizationID)%stripes]
}

func (m *Matcher) all(ctx context.Context, organizationID string) ([]*Target, error) {
	if !m.lease.Fresh() {
		m.stats.Unleased.Add(1)
		return m.read(ctx, organizationID)
	}
	if targets, ok := m.cache.GetIfPresent(organizationID); ok {
		m.stats.Hits.Add(1)
		return targets, nil
	}
	m.stats.Misses.Add(1)
	return m.load(ctx, organizationID)
}

// load reads an organization once for all that ask for it now, and keeps it
// unless it was dropped meanwhile. It returns when ctx ends, although the
// database may still be silent.
func (m *Matcher) load(ctx context.Context, organizationID string) ([]*Target, error) {
	dropped := m.stripe(organizationID)
	before := dropped.count()
	// A load is shared only by those that ask after the same drop.
	key := fmt.Sprintf("%s %d", organizationID, before)
	loaded := m.loads.DoChan(key, func() (any, error) {
		targets, err := m.read(context.WithoutCancel(ctx), organizationID)
		if err != nil {
			return nil, err
		}
		dropped.keep(before, func() { m.cache.Set(organizationID, targets) })
		return targets, nil
	})
	select {
	case r := <-loaded:
		targets, _ := r.Val.([]*Target)
		return targets, r.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("read webhooks of %s: %w", organizationID, ctx.Err())
	}
}

func (m *Matcher) read(ctx context.Context, organizationID string) ([]*Target, error) {
	webhooks, err := m.source.All(ctx, organizationID)
	if err != nil {
		return nil, fmt.Errorf("read webhooks of %s: %w", organizationID, err)
	}
	targets := make([]*Target, 0, len(webhooks))
	for _, w := range webhooks {
		targets = append(targets, newTarget(w))
	}
	return targets, nil
}
