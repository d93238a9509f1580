package match

import (
	"runtime"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Kept returns the targets of webhooks in the form that the cache keeps.
func Kept(organizationID string, webhooks []webhook.Webhook) []*Target {
	o := newOrganization(organizationID, webhooks)
	all := make([]*Target, len(webhooks))
	for i := range o.webhooks {
		all[i] = o.webhooks[i].target(o.id)
	}
	return all
}

// Settle has the cache evict now what is above its bound.
func (m *Matcher) Settle() { m.cache.organizations.CleanUp() }

// Held counts what is in the cache, one by one.
func (m *Matcher) Held() (webhooks, bytes int64) {
	for _, o := range m.cache.organizations.All() {
		webhooks += int64(len(o.webhooks))
		bytes += int64(o.bytes())
	}
	return webhooks, bytes
}

// NewTarget makes a target.
func NewTarget(w webhook.Webhook) *Target { return newTarget(w) }

// InFirstHalf reports whether an organization is in the half whose drops
// DropAllHalfway counts before it stops.
func (m *Matcher) InFirstHalf(organizationID string) bool {
	return m.cache.stripeIndex(organizationID) < stripes/2
}

// DropAllHalfway begins a DropAll, and returns when it has counted the drops of
// half of the organizations. finish lets it go on, and returns when it is done.
func (m *Matcher) DropAllHalfway(t *testing.T) (finish func()) {
	t.Helper()
	first, middle := &m.cache.drops[0], &m.cache.drops[stripes/2]
	before := first.count()
	middle.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.cache.dropAll()
	}()
	for deadline := time.Now().Add(10 * time.Second); first.count() == before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the drops are not counted")
		}
	}
	return func() {
		middle.mu.Unlock()
		<-done
	}
}

// Stop ends the cache's own goroutine.
func (m *Matcher) Stop() { m.cache.organizations.StopAllGoroutines() }
