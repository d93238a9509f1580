package match

import (
	"strings"
	"sync/atomic"
	"time"
	"unique"
	"weak"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// organization is the webhooks of one organization as the cache keeps them.
type organization struct {
	id       string
	webhooks []entry
}

func newOrganization(id string, webhooks []webhook.Webhook) *organization {
	o := &organization{id: strings.Clone(id), webhooks: make([]entry, len(webhooks))}
	for i := range webhooks {
		o.webhooks[i].set(&webhooks[i])
	}
	return o
}

// sending returns the webhooks that send events of type t; nil without any.
func (o *organization) sending(t event.Type) (found []*Target) {
	for i := range o.webhooks {
		if !o.webhooks[i].settings.Value().event.Matches(t) {
			continue
		}
		if found == nil {
			found = make([]*Target, 0, len(o.webhooks)-i)
		}
		found = append(found, o.webhooks[i].target(o.id))
	}
	return found
}

// find returns the webhook with an ID, or nil.
func (o *organization) find(webhookID string) *Target {
	for i := range o.webhooks {
		if o.webhooks[i].id() == webhookID {
			return o.webhooks[i].target(o.id)
		}
	}
	return nil
}

// entry is what the cache keeps of a webhook: the fields that a Target needs, in
// a quarter of a Target's memory. Fields that most webhooks leave empty are behind
// a pointer, settings that many webhooks have in common are stored once, and the
// texts are one string.
type entry struct {
	texts   string // the ID, the URL and the secret, one after the other
	idEnd   int32  // where the ID ends in texts
	urlEnd  int32  // where the URL ends in texts
	version int64

	settings unique.Handle[settings]
	rare     *rare // nil for a webhook with none of its fields

	// made points to the Target that was made last, for as long as that is in use
	// and has not been collected.
	made atomic.Pointer[weak.Pointer[Target]]
}

// settings are the fields that have few values each, and so few combinations.
type settings struct {
	event        webhook.Setting
	provider     webhook.Provider
	autoDisabled webhook.DisabledReason
}

// rare are the fields that most webhooks leave empty.
type rare struct {
	headers     []webhook.Header
	holdUntil   time.Time
	orderedFrom uint64
	updatedAt   int64 // of an ordered webhook, in Unix nanoseconds
}

func (e *entry) set(w *webhook.Webhook) {
	e.texts = w.ID + w.URL + w.Secret.Reveal()
	e.idEnd = int32(len(w.ID))             //nolint:gosec // an ID is short
	e.urlEnd = e.idEnd + int32(len(w.URL)) //nolint:gosec // a URL has 2,048 bytes at most
	e.version = w.Version
	e.settings = unique.Make(settings{event: w.Event, provider: w.Provider, autoDisabled: w.Health.AutoDisabled})
	if len(w.Headers) > 0 || w.Health.OnHold() || w.Ordered() {
		e.rare = &rare{headers: w.Headers, holdUntil: w.Health.HoldUntil, orderedFrom: w.OrderedFrom}
		if w.Ordered() {
			e.rare.updatedAt = w.UpdatedAt.UnixNano()
		}
	}
}

func (e *entry) id() string { return e.texts[:e.idEnd] }

// target returns the Target that is in use, or makes one. Two callers that come
// at once may each make one.
func (e *entry) target(organizationID string) *Target {
	if made := e.made.Load(); made != nil {
		if t := made.Value(); t != nil {
			return t
		}
	}
	t := newTarget(e.webhook(organizationID))
	made := weak.Make(t)
	e.made.Store(&made)
	return t
}

// webhook returns the webhook with the fields that Target.Webhook has, and its
// secret.
func (e *entry) webhook(organizationID string) webhook.Webhook {
	s := e.settings.Value()
	w := webhook.Webhook{
		ID: e.id(), OrganizationID: organizationID, Provider: s.provider, URL: e.texts[e.idEnd:e.urlEnd], Event: s.event,
		Secret: webhook.Secret(e.texts[e.urlEnd:]), Version: e.version,
		Health: webhook.Health{AutoDisabled: s.autoDisabled},
	}
	if e.rare != nil {
		w.Headers, w.Health.HoldUntil, w.OrderedFrom = e.rare.headers, e.rare.holdUntil, e.rare.orderedFrom
		if w.Ordered() {
			w.UpdatedAt = time.Unix(0, e.rare.updatedAt).UTC()
		}
	}
	return w
}

// What the parts of the cache take, in bytes.
const (
	// organizationBytes is the cache's own entry (96) with its share of the hash
	// table (up to 32), and the organization (48).
	organizationBytes = 176

	entryBytes  = 56
	rareBytes   = 64
	headerBytes = 32
)

// bytes returns about how much memory o takes in the cache. Targets in use are
// not counted.
func (o *organization) bytes() uint32 {
	n := organizationBytes + allocated(len(o.id)) + allocated(len(o.webhooks)*entryBytes)
	for i := range o.webhooks {
		e := &o.webhooks[i]
		n += allocated(len(e.texts))
		if e.rare != nil {
			n += rareBytes
			for _, h := range e.rare.headers {
				n += headerBytes + allocated(len(h.Name)) + allocated(len(h.Value))
			}
		}
	}
	return uint32(n) //nolint:gosec // an organization has 10,000 webhooks at most
}

// allocated returns about how many bytes the allocator takes for so many.
func allocated(bytes int) int { return (bytes + 15) &^ 15 }
