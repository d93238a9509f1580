package repeat

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// generationSize and generationAge bound what is remembered: two generations of
	// so many events, none of which began longer ago. So many fill a map of 2 MiB to
	// the seven eighths that it takes before it grows.
	generationSize = 112 << 10
	generationAge  = 2 * time.Minute
)

// recent remembers which message of the stream was taken first for each event, of
// the last minutes. The zero recent remembers nothing. Safe for concurrent use.
type recent struct {
	mu         sync.Mutex
	young, old map[uint64]uint64 // from the event's print to the message's sequence
	began      time.Time         // young; zero before the first event
	since      time.Time         // from when on every event is in young or old; zero while nothing was forgotten
}

// take notes that the message with a sequence is an event's, and returns the
// sequence of the message that was noted first; 0 when there is no other.
func (r *recent) take(print, sequence uint64, now time.Time) (other uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now)
	first, known := r.young[print]
	if !known {
		first, known = r.old[print]
	}
	switch {
	case !known:
		r.young[print] = sequence
	case first != sequence:
		return first
	}
	return 0
}

// complete returns from when on the messages of all events are remembered, zero when
// none was forgotten.
func (r *recent) complete() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since
}

// age begins a generation when the young one is full or old. Two maps of their full
// size serve all generations, so that memory does not grow with the events. The
// caller holds the lock.
func (r *recent) age(now time.Time) {
	switch {
	case r.young == nil:
		r.young = make(map[uint64]uint64, generationSize)
		r.old = make(map[uint64]uint64, generationSize)
		r.began = now
	case len(r.young) >= generationSize || now.Sub(r.began) >= generationAge:
		r.young, r.old = r.old, r.young
		r.since, r.began = r.began, now
		clear(r.young)
	}
}

// length returns how many events are remembered.
func (r *recent) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.young) + len(r.old)
}

// print returns what stands for an event: 64 bits of a hash in which a publisher
// cannot aim at another event's. Finder still compares two events that have the same
// print.
func print(organizationID, eventID string) uint64 {
	var names [192]byte // on the stack: an organization's id has at most 64 characters, an event's 128
	sum := sha256.Sum256(append(append(append(names[:0], organizationID...), 0), eventID...))
	return binary.LittleEndian.Uint64(sum[:])
}
