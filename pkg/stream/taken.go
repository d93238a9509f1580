package stream

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/dialnote/webhooks/proto"
)

// Taken says that a replica has begun to work on an event: that of the message with
// this sequence. The print stands for the event's organization and id; two events
// can have the same.
type Taken struct{ Print, Sequence uint64 }

const (
	takenBytes = 16   // of one
	takenMost  = 4096 // in one message
)

// takings are what a replica has taken and not made known yet. There are no more
// than it takes while one message is written.
type takings struct {
	mu      sync.Mutex
	waiting []byte
	sending bool
}

// Take makes known to the other replicas that this one works on an event. It does
// not wait for them, and does nothing while there are none. What is lost on the way
// is what HeardSince is about.
func (m *Member) Take(t Taken) {
	if other := m.other.Load(); other == 0 || time.Since(m.started)-time.Duration(other) > Lease {
		return
	}
	m.takings.mu.Lock()
	defer m.takings.mu.Unlock()
	m.takings.waiting = appendTaken(m.takings.waiting, t)
	if !m.takings.sending {
		m.takings.sending = true
		go m.sendTaken()
	}
}

// sendTaken publishes until nothing waits: what is taken meanwhile shares the next
// message.
func (m *Member) sendTaken() {
	for {
		m.takings.mu.Lock()
		waiting := m.takings.waiting
		m.takings.waiting = nil
		m.takings.sending = len(waiting) > 0
		m.takings.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		for len(waiting) > 0 {
			n := min(len(waiting), takenMost*takenBytes)
			_ = m.c.nc.Publish(proto.SubjectTaken(m.replica), waiting[:n]) // it fails while the connection is lost; then others take the events anyway
			waiting = waiting[n:]
		}
	}
}

// HeardSince returns from when on this replica has heard without a break what the
// others take. ok is false when it may not have heard the latest.
func (m *Member) HeardSince() (since time.Time, ok bool) {
	joined := m.joined.Load()
	return time.Unix(0, joined), joined != 0 && m.Fresh()
}

func appendTaken(to []byte, t Taken) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(to, t.Print), t.Sequence)
}

func readTaken(data []byte) []Taken {
	all := make([]Taken, 0, len(data)/takenBytes)
	for ; len(data) >= takenBytes; data = data[takenBytes:] {
		all = append(all, Taken{Print: binary.LittleEndian.Uint64(data), Sequence: binary.LittleEndian.Uint64(data[8:])})
	}
	return all
}
