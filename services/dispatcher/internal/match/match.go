// Package match finds the webhooks that an event goes to.
//
// It answers from a cache of organizations' webhooks, which is loaded on demand,
// bounded, and used only while the replica's lease proves that the replica has
// seen every announced change. Without the lease each answer is read from the
// database.
//
// # Memory
//
// A Target takes some 800 bytes, and a million of them would fill a gigabyte.
// The cache keeps an entry for each webhook: the fields of a Target, in 200
// bytes where an organization has ten webhooks with URLs of 54 bytes, and in 250
// where it has three. So a million take 195 MiB, and a run of the garbage
// collector over them some 130 ms of processor time (BenchmarkMillion).
//
// A Target is made of its entry for the first delivery that needs it, in 1.2 µs,
// and shared by those that come while it is in use. The entry holds it by a weak
// pointer: when no delivery uses a Target, the garbage collector may take it, as
// it takes what lies in a sync.Pool. An event that no webhook sends makes none.
//
// The cache is bounded by the bytes that it takes, not by the number of
// webhooks, because long URLs, headers and organizations without a webhook take
// memory too.
package match

import (
	"context"
	"fmt"
	"sync/atomic"

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

// Matcher finds webhooks. Safe for concurrent use.
type Matcher struct {
	source Source
	lease  Lease
	cache  *cache
	loads  singleflight.Group
	stats  Stats
}

// Stats counts what the cache did.
type Stats struct {
	Hits, Misses, Unleased atomic.Uint64
}

// New returns a matcher whose cache takes so many bytes at most, about.
func New(source Source, lease Lease, bytes int) (*Matcher, error) {
	cache, err := newCache(bytes)
	if err != nil {
		return nil, err
	}
	return &Matcher{source: source, lease: lease, cache: cache}, nil
}

// Match returns the webhooks of an organization that send events of type t:
// also those on hold or disabled automatically, whose events wait. The slice is
// the caller's.
func (m *Matcher) Match(ctx context.Context, organizationID string, t event.Type) ([]*Target, error) {
	o, err := m.organization(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	return o.sending(t), nil
}

// Find returns one webhook of an organization, or nil when the organization has
// no such webhook.
func (m *Matcher) Find(ctx context.Context, organizationID, webhookID string) (*Target, error) {
	o, err := m.organization(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	return o.find(webhookID), nil
}

// Drop removes an organization's webhooks from the cache: the next answer is
// read from the database, and a read that is under way is not kept.
func (m *Matcher) Drop(organizationID string) { m.cache.drop(organizationID) }

// DropAll removes everything from the cache.
func (m *Matcher) DropAll() { m.cache.dropAll() }

// Stats returns the cache's counters.
func (m *Matcher) Stats() *Stats { return &m.stats }

// Size returns how many webhooks the cache holds.
func (m *Matcher) Size() int64 { return m.cache.size.webhooks.Load() }

// Bytes returns the memory that the cache takes, about. It may be above the
// bound for a moment.
func (m *Matcher) Bytes() int64 { return m.cache.size.bytes.Load() }

// organization returns an organization's webhooks, from the cache while the
// lease allows it.
func (m *Matcher) organization(ctx context.Context, organizationID string) (*organization, error) {
	if !m.lease.Fresh() {
		m.stats.Unleased.Add(1)
		return m.read(ctx, organizationID)
	}
	if o := m.cache.get(organizationID); o != nil {
		m.stats.Hits.Add(1)
		return o, nil
	}
	m.stats.Misses.Add(1)
	return m.load(ctx, organizationID)
}

// load reads an organization once for all callers that miss it now, and keeps
// it unless it is dropped meanwhile. It returns when ctx ends, even if the
// database has not answered.
func (m *Matcher) load(ctx context.Context, organizationID string) (*organization, error) {
	since := m.cache.stamp(organizationID)
	// Callers before and after a drop share no read.
	key := fmt.Sprintf("%s %d", organizationID, since)
	loaded := m.loads.DoChan(key, func() (any, error) {
		o, err := m.read(context.WithoutCancel(ctx), organizationID)
		if err != nil {
			return nil, err
		}
		m.cache.put(o, since)
		return o, nil
	})
	select {
	case one := <-loaded:
		o, _ := one.Val.(*organization)
		return o, one.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("read webhooks of %s: %w", organizationID, ctx.Err())
	}
}

func (m *Matcher) read(ctx context.Context, organizationID string) (*organization, error) {
	webhooks, err := m.source.All(ctx, organizationID)
	if err != nil {
		return nil, fmt.Errorf("read webhooks of %s: %w", organizationID, err)
	}
	return newOrganization(organizationID, webhooks), nil
}
