package traffic

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/dialnote/webhooks/pkg/event"
)

// Mix is how many events of each type there are, in proportion to each other.
type Mix struct {
	Calls, Recordings, Notes int
}

// DefaultMix is what a busy team does: seven calls to two recordings to one
// note.
func DefaultMix() Mix { return Mix{Calls: 7, Recordings: 2, Notes: 1} }

// ParseMix reads a mix such as "call.completed=7,note.created=1". A type that
// is not named is not made. It returns an error for an unknown type, a negative
// share, or when all are 0.
func ParseMix(text string) (Mix, error) {
	var m Mix
	for part := range strings.SplitSeq(text, ",") {
		name, share, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(share)
		if err != nil || n < 0 || n > 1_000_000 {
			return Mix{}, fmt.Errorf("mix %q: want type=share", part)
		}
		switch event.Type(strings.TrimSpace(name)) {
		case event.CallCompleted:
			m.Calls = n
		case event.RecordingCompleted:
			m.Recordings = n
		case event.NoteCreated:
			m.Notes = n
		default:
			return Mix{}, fmt.Errorf("mix %q: want one of %v", part, event.Types())
		}
	}
	if m == (Mix{}) {
		return Mix{}, fmt.Errorf("mix %q holds no events", text)
	}
	return m, nil
}

func (m Mix) pick(rng *rand.Rand) event.Type {
	n := rng.IntN(m.Calls + m.Recordings + m.Notes)
	switch {
	case n < m.Calls:
		return event.CallCompleted
	case n < m.Calls+m.Recordings:
		return event.RecordingCompleted
	default:
		return event.NoteCreated
	}
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash never fails to write
	return h.Sum64()
}
