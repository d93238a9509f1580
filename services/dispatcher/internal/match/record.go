package match

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// record is an organization's webhooks in one string without pointers: what
// a Target needs of each, and no more. It lives in one process's memory, so
// its form may change at any time.
//
//	record  = organization count { length webhook }
//	webhook = event class flags id [event] [provider] [reason] url secret version [orderedFrom] [holdUntil] [headers]
//
// event is one byte, class another (provider and reason), flags a third.
// Numbers are varints; a text is its length and its bytes. A text in the form
// that we give it ourselves (an id, a secret, https://) is kept as what it says
// and marked in flags; any other is kept as it stands.
type record string

// The bits of flags.
const (
	shortID byte = 1 << iota
	shortSecret
	overTLS
	ordered
	onHold
	withHeaders
)

const tlsPrefix = "https://"

// other is the number of a value that has none. Its text follows the id.
const other = 7

func settings() []webhook.Setting {
	return []webhook.Setting{webhook.SendCallLogs, webhook.SendCallRecordings, webhook.SendNotes, webhook.Disabled}
}

func providers() []webhook.Provider { return []webhook.Provider{webhook.Custom, webhook.Zapier} }

func reasons() []webhook.DisabledReason {
	return []webhook.DisabledReason{webhook.NotAutoDisabled, webhook.DisabledForFailures, webhook.DisabledAsGone}
}

// number returns the place of a value among those that are known, or other.
func number[T comparable](known []T, value T) byte {
	if i := slices.Index(known, value); i >= 0 {
		return byte(i) //nolint:gosec // there are four at most
	}
	return other
}

// pack returns the record of an organization.
func pack(organizationID string, webhooks []webhook.Webhook) record {
	buf := make([]byte, 0, 64+192*len(webhooks))
	buf = appendText(buf, organizationID)
	buf = binary.AppendUvarint(buf, uint64(len(webhooks)))
	var one []byte
	for i := range webhooks {
		one = appendWebhook(one[:0], &webhooks[i])
		buf = append(binary.AppendUvarint(buf, uint64(len(one))), one...)
	}
	return record(buf) // a copy of exactly its length
}

func appendWebhook(to []byte, w *webhook.Webhook) []byte {
	e, p, r := number(settings(), w.Event), number(providers(), w.Provider), number(reasons(), w.Health.AutoDisabled)
	id, flags := shortenID(w.ID), byte(0)
	if id != nil {
		flags |= shortID
	}
	secret := shortenSecret(w.Secret.Reveal())
	if secret != nil {
		flags |= shortSecret
	}
	address, tls := strings.CutPrefix(w.URL, tlsPrefix)
	if tls {
		flags |= overTLS
	}
	flags |= flag(w.OrderedFrom != 0, ordered) | flag(w.Health.OnHold(), onHold) | flag(len(w.Headers) > 0, withHeaders)

	to = append(to, e, p|r<<3, flags)
	to = appendShort(to, id, w.ID)
	to = appendOther(to, e, string(w.Event))
	to = appendOther(to, p, string(w.Provider))
	to = appendOther(to, r, string(w.Health.AutoDisabled))
	to = appendText(to, address)
	to = appendShort(to, secret, w.Secret.Reveal())
	to = binary.AppendVarint(to, w.Version)
	if w.OrderedFrom != 0 {
		to = binary.AppendUvarint(to, w.OrderedFrom)
	}
	if until := w.Health.HoldUntil; w.Health.OnHold() {
		to = binary.AppendVarint(to, until.Unix())
		to = binary.AppendUvarint(to, uint64(until.Nanosecond())) //nolint:gosec // it is not negative
	}
	if len(w.Headers) > 0 {
		to = binary.AppendUvarint(to, uint64(len(w.Headers)))
		for _, h := range w.Headers {
			to = appendText(appendText(to, h.Name), h.Value.Reveal())
		}
	}
	return to
}

func flag(is bool, bit byte) byte {
	if is {
		return bit
	}
	return 0
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

func appendShort(to, short []byte, text string) []byte {
	if short != nil {
		return append(to, short...)
	}
	return appendText(to, text)
}

func appendOther(to []byte, number byte, text string) []byte {
	if number == other {
		return appendText(to, text)
	}
	return to
}

// organization returns whose webhooks r holds, in r's own bytes.
func (r record) organization() string {
	rest := cursor(r)
	return rest.text()
}

// count returns how many webhooks r holds.
func (r record) count() int {
	rest := cursor(r)
	rest.text()
	return int(rest.number()) //nolint:gosec // a slice had that length
}

// sends reports whether one of the webhooks may send events of type t: false
// is certain.
func (r record) sends(t event.Type) bool {
	want := number(settings(), webhook.Setting(t))
	return r.some(func(one cursor) bool { return one[0] == want })
}

// has reports whether one of the webhooks has the id.
func (r record) has(webhookID string) bool {
	short := shortenID(webhookID)
	return r.some(func(one cursor) bool {
		isShort := one[2]&shortID != 0
		one = one[3:]
		if isShort {
			return short != nil && strings.HasPrefix(string(one), string(short))
		}
		return one.text() == webhookID
	})
}

func (r record) some(is func(one cursor) bool) bool {
	rest := cursor(r)
	rest.text()
	for range rest.number() {
		if is(cursor(rest.text())) {
			return true
		}
	}
	return false
}

// targets returns what newTargets would have made of what pack was given. Texts
// share r's bytes.
func (r record) targets() targets {
	rest := cursor(r)
	organizationID := rest.text()
	all := make(targets, rest.number())
	for i := range all {
		one := cursor(rest.text())
		w := one.webhook()
		w.OrganizationID = organizationID
		all[i].set(&w)
	}
	return all
}
