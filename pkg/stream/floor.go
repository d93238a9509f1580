package stream

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// floor is how far the dispatchers were when this process last looked: every event
// up to a sequence was acknowledged. When the shared consumer is made anew it begins
// there, and not with all the events of the retention, some of which are older than
// the webhooks that they would now go to.
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
	f.sequence = max(f.sequence, sequence) // a consumer that was made anew may be behind
}

// begin returns the configuration of the shared consumer of a stream, to be made
// anew. It begins with the first event when this process does not know how far the
// dispatchers were in that stream.
func (f *floor) begin(cfg jetstream.ConsumerConfig, info *jetstream.StreamInfo) jetstream.ConsumerConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sequence > 0 && f.stream.Equal(info.Created) && f.sequence <= info.State.LastSeq {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.sequence+1
	}
	return cfg
}
