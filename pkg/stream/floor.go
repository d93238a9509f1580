package stream

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// floor is how far the dispatchers were when this process last looked: every event
// up to a sequence was acknowledged. A replica that finds the
// shared consumer gone creates one that begins there, and not with all the events of
// the retention, some of which are older than the webhooks that they would now go to.
type floor struct {
	mu       sync.Mutex
	stream   time.Time // when the stream was made that the sequence is of
	sequence uint64
}

func (f *floor) note(stream time.Time, sequence uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stream.Equal(stream) {
		f.stream, f.sequence = stream, 0
	}
	f.sequence = max(f.sequence, sequence) // a consumer that a replica has just created may be behind
}

// begin returns the configuration with which a replica creates the shared consumer
// again. The consumer begins with the first event when this process does not know how
// far the dispatchers were in the stream.
func (f *floor) begin(cfg jetstream.ConsumerConfig, info *jetstream.StreamInfo) jetstream.ConsumerConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sequence > 0 && f.stream.Equal(info.Created) && f.sequence <= info.State.LastSeq {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.sequence+1
	}
	return cfg
}
