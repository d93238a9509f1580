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

	// stripes is how many counters say whether an organization was dropped while
	// it was being read. An organization that shares a counter with a dropped one
	// is read again for nothing.
	stripes = 1024
)

// cache holds organizations, up to a bound in bytes. It keeps an organization
// only if that was not dropped since the stamp was taken, and the stamp is taken
// before the organization is read.
//
// The library's own loading needs no stamps, but it does not define what
// InvalidateAll does to a load that is under way.
type cache struct {
	organizations *otter.Cache[string, *organization]
	size          size
	seed          maphash.Seed
	drops         [stripes]stripe
}

// size is what the cache holds.
type size struct{ webhooks, bytes atomic.Int64 }

func (s *size) add(o *organization, sign int64) {
	s.webhooks.Add(sign * int64(len(o.webhooks)))
	s.bytes.Add(sign * int64(o.bytes()))
}

// stamp is the number of an organization's drops at some moment.
type stamp uint64

// stripe counts the drops of some organizations. Under its lock the count is
// compared and the organization kept, or the count raised and the organization
// removed: so nothing read before a drop is kept after it.
type stripe struct {
	mu    sync.Mutex
	drops stamp
}

func (s *stripe) count() stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drops
}

func newCache(bytes int) (*cache, error) {
	c := &cache{seed: maphash.MakeSeed()}
	var err error
	c.organizations, err = otter.New(&otter.Options[string, *organization]{
		MaximumWeight:    uint64(bytes), //nolint:gosec // a positive setting
		Weigher:          func(_ string, o *organization) uint32 { return o.bytes() },
		ExpiryCalculator: otter.ExpiryAccessing[string, *organization](idle),
		OnAtomicDeletion: func(e otter.DeletionEvent[string, *organization]) { c.size.add(e.Value, -1) },
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d bytes: %w", bytes, err)
	}
	return c, nil
}

// get returns an organization, or nil when it is not in the cache.
func (c *cache) get(organizationID string) *organization {
	o, _ := c.organizations.GetIfPresent(organizationID)
	return o
}

// stamp returns what put asks for. It is taken before the organization is read.
func (c *cache) stamp(organizationID string) stamp { return c.stripe(organizationID).count() }

// put keeps an organization, unless it was dropped since the stamp was taken.
func (c *cache) put(o *organization, since stamp) {
	s := c.stripe(o.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == since {
		c.size.add(o, 1)
		c.organizations.Set(o.id, o)
	}
}

// drop removes an organization.
func (c *cache) drop(organizationID string) {
	s := c.stripe(organizationID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	c.organizations.Invalidate(organizationID)
}

// dropAll removes every organization. It counts the drops first: an organization
// that was put before its drop was counted is there to be removed, and one that
// is put later with an older stamp is not kept.
func (c *cache) dropAll() {
	for i := range c.drops {
		c.drops[i].mu.Lock()
		c.drops[i].drops++
		c.drops[i].mu.Unlock()
	}
	c.organizations.InvalidateAll()
}

func (c *cache) stripe(organizationID string) *stripe {
	return &c.drops[c.stripeIndex(organizationID)]
}

func (c *cache) stripeIndex(organizationID string) uint64 {
	return maphash.String(c.seed, organizationID) % stripes
}
