package match

import "github.com/dialnote/webhooks/pkg/webhook"

// Repacked returns the targets of webhooks that were packed and unpacked, and
// those that never were.
func Repacked(organizationID string, webhooks []webhook.Webhook) (repacked, plain []Target) {
	return pack(organizationID, webhooks).targets(), newTargets(webhooks)
}

// Pack makes the record of webhooks, and returns what unpacks it.
func Pack(organizationID string, webhooks []webhook.Webhook) (unpack func() []Target) {
	r := pack(organizationID, webhooks)
	return func() []Target { return r.targets() }
}

// Settle has the cache do now what it would do soon: evict what is too much.
func (m *Matcher) Settle() {
	m.cache.packed.CleanUp()
	m.cache.unpacked.CleanUp()
}

// Held counts what is in the cache, one by one.
func (m *Matcher) Held() (webhooks, bytes int64) {
	for _, r := range m.cache.packed.All() {
		webhooks += int64(r.count())
		bytes += int64(weight(r))
	}
	return webhooks, bytes
}

// HeldUnpacked counts the webhooks that are unpacked, one by one.
func (m *Matcher) HeldUnpacked() (webhooks int) {
	for _, all := range m.cache.unpacked.All() {
		webhooks += len(all)
	}
	return webhooks
}
