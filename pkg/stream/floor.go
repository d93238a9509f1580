package stream

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// floor is how far the dispatchers were when this process last looked: every event
// of a shared consumer up to a sequence was acknowledged. A replica that finds the
// consumer gone creates one that begins there, and not with all the events of
// the retention, some of which are older than the webhooks that they would now go to.
type floor struct {
	mu        sync.Mutex
	stream    time.Time         // when the stream was made that the sequences are of
	sequences map[string]uint64 // by the consumer
}

func (f *floor) note(stream time.Time, consumer string, sequence uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stream.Equal(stream) || f.sequences == nil {
		f.stream, f.sequences = stream, make(map[string]uint64)
	}
	f.sequences[consumer] = max(f.sequences[consumer], sequence) // a consumer that a replica has just created may be behind
}

// begin returns the configuration with which a replica creates a shared consumer
// again. The consumer begins where it did when this process does not know how
// far the dispatchers were in the stream.
func (f *floor) begin(cfg jetstream.ConsumerConfig, info *jetstream.StreamInfo) jetstream.ConsumerConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	sequence := f.sequences[cfg.Durable]
	if sequence > 0 && f.stream.Equal(info.Created) && sequence <= info.State.LastSeq {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, max(sequence+1, cfg.OptStartSeq)
	}
	return cfg
}
