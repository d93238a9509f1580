// Package match finds the webhooks that an event goes to.
//
// It answers from a cache of each organization's webhooks: loaded on demand,
// bounded, and used only while the replica's lease proves that it has seen
// every announced change. Without the lease each answer comes from the
// database.
//
// # Memory
//
// A Target is some 800 bytes in a dozen objects, so a million would fill a
// gigabyte, twice with what the garbage collector lets a heap grow, and the
// collector would walk them all. The cache therefore has two forms:
//
//   - Every organization is a record: one string without pointers that holds
//     what an attempt needs. With URLs of 54 bytes a webhook takes 115 bytes in
//     an organization of ten and 148 in one of three, all of the cache's own
//     needs included (BenchmarkMemory).
//   - Those in use are kept unpacked besides, as Targets; one webhook for each 6
//     KiB that the records may take. A match in these costs 0.1 µs and
//     the slice that it returns.
//
// What is not unpacked is searched in its record, 0.15 µs for three webhooks, and
// unpacked only when there is something to send, 1.1 µs for each webhook; so an
// event that nobody wants unpacks nothing.
//
// Records are bounded by the bytes that they take with everything around them,
// not by their number: an organization with nothing in it takes memory too, and
// so do long URLs and headers.
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

// New returns a matcher whose cache holds records of so many bytes at most.
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
	all, err := m.targets(ctx, organizationID, func(r record) bool { return r.sends(t) })
	return all.sending(t), err
}

// Find returns one webhook of an organization, or nil when it is not there.
func (m *Matcher) Find(ctx context.Context, organizationID, webhookID string) (*Target, error) {
	all, err := m.targets(ctx, organizationID, func(r record) bool { return r.has(webhookID) })
	return all.find(webhookID), err
}

// Drop forgets an organization's webhooks: the next answer is read from the
// database, and one being read now is not kept.
func (m *Matcher) Drop(organizationID string) { m.cache.drop(organizationID) }

// DropAll forgets everything.
func (m *Matcher) DropAll() { m.cache.dropAll() }

// Stats returns the cache's counters.
func (m *Matcher) Stats() *Stats { return &m.stats }

// Size returns how many webhooks the cache holds.
func (m *Matcher) Size() int64 { return m.cache.size.webhooks.Load() }

// Bytes returns the memory that the cache's records take with everything around
// them, about. It may be above the bound for a moment.
func (m *Matcher) Bytes() int64 { return m.cache.size.bytes.Load() }

// Unpacked returns how many webhooks are kept ready for use besides, about.
func (m *Matcher) Unpacked() uint64 { return m.cache.unpacked.WeightedSize() }

// targets returns an organization's webhooks; none when the record says that
// nothing of it is wanted.
func (m *Matcher) targets(ctx context.Context, organizationID string, wanted func(record) bool) (targets, error) {
	if !m.lease.Fresh() {
		m.stats.Unleased.Add(1)
		webhooks, err := m.read(ctx, organizationID)
		return newTargets(webhooks), err
	}
	if all, ok := m.cache.unpacked.GetIfPresent(organizationID); ok {
		m.stats.Hits.Add(1)
		return all, nil
	}
	since := m.cache.stamp(organizationID)
	r, ok := m.cache.packed.GetIfPresent(organizationID)
	if ok {
		m.stats.Hits.Add(1)
	} else {
		m.stats.Misses.Add(1)
		var err error
		if r, err = m.load(ctx, organizationID, since); err != nil {
			return nil, err
		}
	}
	if !wanted(r) {
		return nil, nil
	}
	return m.cache.unpack(r, since), nil
}

// load reads an organization once for all that ask for it now, and keeps it
// unless it was dropped since the stamp was taken. It returns when ctx ends,
// although the database may still be silent.
func (m *Matcher) load(ctx context.Context, organizationID string, since stamp) (record, error) {
	// A load is shared only by those that ask after the same drop.
	key := fmt.Sprintf("%s %d", organizationID, since)
	loaded := m.loads.DoChan(key, func() (any, error) {
		webhooks, err := m.read(context.WithoutCancel(ctx), organizationID)
		if err != nil {
			return nil, err
		}
		r := pack(organizationID, webhooks)
		m.cache.put(r, since)
		return r, nil
	})
	select {
	case one := <-loaded:
		r, _ := one.Val.(record)
		return r, one.Err
	case <-ctx.Done():
		return "", fmt.Errorf("read webhooks of %s: %w", organizationID, ctx.Err())
	}
}

func (m *Matcher) read(ctx context.Context, organizationID string) ([]webhook.Webhook, error) {
	webhooks, err := m.source.All(ctx, organizationID)
	if err != nil {
		return nil, fmt.Errorf("read webhooks of %s: %w", organizationID, err)
	}
	return webhooks, nil
}
