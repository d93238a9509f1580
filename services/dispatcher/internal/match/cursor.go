package match

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// cursor is the part of a record that is still to be read.
type cursor string

// webhook reads one webhook, but for its organization.
func (c *cursor) webhook() webhook.Webhook {
	head := c.take(3)
	e, p, r, flags := head[0], head[1]&7, head[1]>>3, head[2]
	var w webhook.Webhook
	if flags&shortID != 0 {
		w.ID = fullID(c.take(len(ulid.ULID{})))
	} else {
		w.ID = c.text()
	}
	w.Event = known(c, settings(), e)
	w.Provider = known(c, providers(), p)
	w.Health.AutoDisabled = known(c, reasons(), r)
	w.URL = c.text()
	if flags&overTLS != 0 {
		w.URL = tlsPrefix + w.URL
	}
	if flags&shortSecret != 0 {
		w.Secret = fullSecret(c.take(secretBytes))
	} else {
		w.Secret = webhook.Secret(c.text())
	}
	w.Version = c.signed()
	if flags&ordered != 0 {
		w.OrderedFrom = c.number()
	}
	if flags&onHold != 0 {
		w.Health.HoldUntil = time.Unix(c.signed(), int64(c.number())).UTC() //nolint:gosec // nanoseconds of a second
	}
	if flags&withHeaders != 0 {
		w.Headers = make([]webhook.Header, c.number())
		for i := range w.Headers {
			w.Headers[i] = webhook.Header{Name: c.text(), Value: webhook.HeaderValue(c.text())}
		}
	}
	return w
}

// known returns the value with a number, or the text that stands here for one
// without.
func known[T ~string](c *cursor, values []T, number byte) T {
	if number == other {
		return T(c.text())
	}
	return values[number]
}

func (c *cursor) take(n int) string {
	taken := (*c)[:n]
	*c = (*c)[n:]
	return string(taken)
}

func (c *cursor) text() string { return c.take(int(c.number())) } //nolint:gosec // the length of a text

// number reads what binary.AppendUvarint wrote.
func (c *cursor) number() (n uint64) {
	for i := 0; ; i++ {
		b := (*c)[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			*c = (*c)[i+1:]
			return n
		}
	}
}

// signed reads what binary.AppendVarint wrote.
func (c *cursor) signed() int64 {
	n := c.number()
	return int64(n>>1) ^ -int64(n&1)
}

// What is known of the texts that we make ourselves.
const (
	idPrefix     = "wh_"
	secretPrefix = "whsec_"
	secretBytes  = 24
)

// shortenID returns what fullID makes the id of, or nil when that is not the
// id to the letter.
func shortenID(id string) []byte {
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok {
		return nil
	}
	u, err := ulid.ParseStrict(text)
	if err != nil || fullID(string(u[:])) != id {
		return nil
	}
	return u[:]
}

func fullID(short string) string {
	u := ulid.ULID([]byte(short))
	var text [len(idPrefix) + ulid.EncodedSize]byte
	copy(text[:], idPrefix)
	_ = u.MarshalTextTo(text[len(idPrefix):]) // fails only for another length
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + ('a' - 'A')
		}
	}
	return string(text[:])
}

// shortenSecret returns what fullSecret makes the secret of, or nil when that
// is not the secret to the letter.
func shortenSecret(secret string) []byte {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(text) != base64.StdEncoding.EncodedLen(secretBytes) {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || fullSecret(string(key)).Reveal() != secret {
		return nil
	}
	return key
}

func fullSecret(short string) webhook.Secret {
	text := make([]byte, 0, len(secretPrefix)+base64.StdEncoding.EncodedLen(secretBytes))
	return webhook.Secret(base64.StdEncoding.AppendEncode(append(text, secretPrefix...), []byte(short)))
}
