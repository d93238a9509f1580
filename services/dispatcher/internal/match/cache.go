package match

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// idle is how long an organization without events stays in the cache.
	idle = 10 * time.Minute

	// stripes is how many counters tell whether an organization was dropped
	// while it was being loaded. Organizations that share one only reload more.
	stripes = 1024

	// overhead is what the cache needs for an organization besides its record,
	// in bytes: the entry (96), its share of the hash table (up to 32), and what
	// the allocator rounds up.
	overhead = 128

	// bytesPerUnpacked says how many webhooks are kept unpacked: one for so many
	// bytes of records.
	bytesPerUnpacked = 6 << 10
)

// cache holds organizations in two forms: in their records, and those in use
// also unpacked. Either may go before the other: a record that is out of use
// because its organization is unpacked is read again when it is wanted. Nothing
// stays that was put by somebody who took its stamp before a drop.
type cache struct {
	packed   *otter.Cache[string, record]
	unpacked *otter.Cache[string, targets]
	size     *size
	seed     maphash.Seed
	drops    [stripes]stripe
}

// size is what the records in the cache hold.
type size struct{ webhooks, bytes atomic.Int64 }

func (s *size) add(r record, sign int64) {
	s.webhooks.Add(sign * int64(r.count()))
	s.bytes.Add(sign * int64(weight(r)))
}

// weight is the memory that a record takes with everything around it, about.
func weight(r record) uint32 { return uint32(len(r) + len(r)/16 + overhead) } //nolint:gosec // at most 10,000 webhooks an organization

// stamp is the number of an organization's drops at some moment.
type stamp uint64

// stripe counts the drops of some organizations. Its lock makes one step of
// looking at the count and keeping what was loaded, so that what was dropped
// meanwhile is never seen again.
type stripe struct {
	mu    sync.Mutex
	drops stamp
}

func newCache(bytes int) (*cache, error) {
	c := &cache{seed: maphash.MakeSeed(), size: &size{}}
	var err error
	c.packed, err = otter.New(&otter.Options[string, record]{
		MaximumWeight:    uint64(bytes), //nolint:gosec // a positive setting
		Weigher:          func(_ string, r record) uint32 { return weight(r) },
		ExpiryCalculator: otter.ExpiryAccessing[string, record](idle),
		OnAtomicDeletion: func(e otter.DeletionEvent[string, record]) { c.size.add(e.Value, -1) },
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d bytes: %w", bytes, err)
	}
	most := max(1, bytes/bytesPerUnpacked)
	c.unpacked, err = otter.New(&otter.Options[string, targets]{
		MaximumWeight:    uint64(most),
		Weigher:          func(_ string, all targets) uint32 { return uint32(max(1, len(all))) }, //nolint:gosec // at most 10,000
		ExpiryCalculator: otter.ExpiryAccessing[string, targets](idle),
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d webhooks: %w", most, err)
	}
	return c, nil
}

// stamp returns what put and unpack want: it is taken before what they keep is
// read.
func (c *cache) stamp(organizationID string) stamp {
	s := c.stripe(organizationID)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drops
}

// put keeps a record that was read since the stamp was taken, unless its
// organization was dropped since.
func (c *cache) put(r record, since stamp) {
	key := r.organization() // in the record's own bytes
	c.keep(key, since, func() {
		c.size.add(r, 1)
		c.packed.Set(key, r)
	})
}

// unpack returns a record's webhooks, and keeps them so unless the organization
// was dropped since the stamp was taken, which was before the record was got.
func (c *cache) unpack(r record, since stamp) targets {
	all := r.targets()
	key := r.organization()
	c.keep(key, since, func() { c.unpacked.Set(key, all) })
	return all
}

func (c *cache) keep(organizationID string, since stamp, keep func()) {
	s := c.stripe(organizationID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == since {
		keep()
	}
}

// drop forgets an organization.
func (c *cache) drop(organizationID string) {
	s := c.stripe(organizationID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	c.packed.Invalidate(organizationID)
	c.unpacked.Invalidate(organizationID)
}

// dropAll forgets every organization. Records go first, and stamps are made old
// before and after: what is kept later was read later, from the database or
// from a record.
func (c *cache) dropAll() {
	c.age()
	c.packed.InvalidateAll()
	c.age()
	c.unpacked.InvalidateAll()
}

// age makes all stamps old.
func (c *cache) age() {
	for i := range c.drops {
		c.drops[i].mu.Lock()
		c.drops[i].drops++
		c.drops[i].mu.Unlock()
	}
}

func (c *cache) stripe(organizationID string) *stripe {
	return &c.drops[maphash.String(c.seed, organizationID)%stripes]
}
