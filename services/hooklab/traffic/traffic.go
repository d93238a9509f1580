// Package traffic makes up the events of an organization that uses dialnote:
// calls, recordings and notes that look like real ones. The phone numbers are from
// ranges reserved for fiction.
//
// The same options give the same events, in the same order, with the same ids:
// a run can be repeated, and what is missing after it can be named.
package traffic

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// Options say what to make up.
type Options struct {
	Seed         uint64
	Organization string
	Mix          Mix       // the zero Mix is DefaultMix
	Start        time.Time // the first event's time; the zero time is 2026-01-05T09:00:00Z
}

// Generator makes up events. It is not safe for concurrent use.
type Generator struct {
	rng          *rand.Rand
	organization string
	mix          Mix
	now          time.Time
	users        []person
	contacts     []contact
}

// person is someone with an id.
type person struct{ id, name string }

// contact is someone who is called, or calls.
type contact struct {
	person

	phone string
}

// MeanGap is the mean time between two events of an organization.
const MeanGap = 7 * time.Second

// The organization's size: small enough that the same people turn up again.
const (
	userCount    = 12
	contactCount = 200
)

// New returns a generator.
func New(o Options) *Generator {
	if o.Mix == (Mix{}) {
		o.Mix = DefaultMix()
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	}
	g := &Generator{
		// The second word keeps organizations with the same seed apart.
		rng:          rand.New(rand.NewPCG(o.Seed, hashOf(o.Organization))), //nolint:gosec // repeatable on purpose
		organization: o.Organization,
		mix:          o.Mix,
		now:          o.Start,
	}
	for range userCount {
		g.users = append(g.users, person{"usr_" + g.token(), pick(g.rng, names())})
	}
	for range contactCount {
		g.contacts = append(g.contacts, contact{person{"con_" + g.token(), pick(g.rng, names())}, g.phone()})
	}
	return g
}

// Next returns the next event. It returns an error when the organization is not
// one that an event can have.
func (g *Generator) Next() (event.Event, error) {
	g.now = g.now.Add(time.Duration(g.rng.ExpFloat64() * float64(MeanGap))).Truncate(time.Millisecond)
	kind := g.mix.pick(g.rng)
	var data any
	switch kind {
	case event.CallCompleted:
		data = g.call()
	case event.RecordingCompleted:
		data = g.recording()
	case event.NoteCreated:
		data = g.note()
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return event.Event{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	e, err := event.New(g.id(), kind, g.now, g.organization, text.Bytes())
	if err != nil {
		return event.Event{}, fmt.Errorf("make up %s: %w", kind, err)
	}
	return e, nil
}

// id returns an event id of the usual form: the time, so that ids sort by it,
// and ten random bytes.
func (g *Generator) id() string {
	var random [10]byte
	const crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	// Two parts, because base32 pads at the end and a ULID at the start.
	letters := make([]byte, 0, 26)
	for shift := 45; shift >= 0; shift -= 5 {
		letters = append(letters, crockford[g.now.UnixMilli()>>shift&31])
	}
	g.fill(random[:])
	encoding := base32.NewEncoding(crockford).WithPadding(base32.NoPadding)
	return "evt_" + string(encoding.AppendEncode(letters, random[:]))
}

// token returns 16 random hex digits.
func (g *Generator) token() string { return g.hex(8) }

func (g *Generator) hex(bytes int) string {
	raw := make([]byte, bytes)
	g.fill(raw)
	return hex.EncodeToString(raw)
}

func (g *Generator) fill(p []byte) {
	for len(p) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], g.rng.Uint64())
		p = p[copy(p, word[:]):]
	}
}

// chance is true with probability p.
func (g *Generator) chance(p float64) bool { return g.rng.Float64() < p }

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
