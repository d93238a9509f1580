package stream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// inProgress is a message that counts how often it was extended.
type inProgress struct {
	jetstream.Msg

	extended int
}

func (m *inProgress) InProgress() error {
	m.extended++
	return nil
}

// A message is extended while it is worked on, whatever the keeper did before, and
// never after that.
func TestAKeeperExtendsTheMessageThatItHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper().(*keeper)
		pass := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // the bubble's own clock
			synctest.Wait()
		}
		short, long, late := &inProgress{}, &inProgress{}, &inProgress{}
		k.begin(short)
		pass(time.Second)
		k.end()
		k.begin(long)
		pass(2 * ackWait)
		k.end()
		if short.extended != 0 || long.extended != 6 {
			t.Errorf("a short message was extended %d times, want 0; one of 30 s %d times, want 6", short.extended, long.extended)
		}
		pass(ackWait)
		k.begin(late)
		pass(ackWait / 2)
		k.end()
		pass(ackWait)
		if long.extended != 6 || late.extended != 1 {
			t.Errorf("after its end a message was extended %d times; the next one %d times, want 1", long.extended-6, late.extended)
		}
	})
}
