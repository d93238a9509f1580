package stream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
)

// What one replica takes the others hear, each of it and in order, and not itself.
func TestReplicasHearWhatTheOthersTake(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	before := time.Now()
	mine, theirs := newListener(), newListener()
	one, _ := join(t, connect(t, srv), "one", mine)
	join(t, connect(t, srv), "two", theirs)
	var want, got []stream.Taken
	await(t, func() bool { // as soon as it knows of the other
		one.Take(stream.Taken{Print: 1, Sequence: 1})
		select {
		case <-theirs.taken:
			return true
		default:
			return false
		}
	})
	for i := uint64(2); i < 10_000; i++ {
		want = append(want, stream.Taken{Print: i << 40, Sequence: i})
		one.Take(want[len(want)-1])
	}
	for len(got) < len(want) {
		for _, taken := range <-theirs.taken {
			if taken.Sequence > 1 {
				got = append(got, taken)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Error("the other replica heard something else")
	}
	if len(mine.taken) > 0 {
		t.Error("the replica heard itself")
	}
	if since, ok := one.HeardSince(); !ok || since.Before(before) || since.After(time.Now()) {
		t.Errorf("it has heard the others since %s, %t", since, ok)
	}
}

// A lost connection may have cost announcements: what the replica can vouch for
// begins again.
func TestHearingBeginsAgainWithTheConnection(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	m, leave := join(t, connect(t, srv), "one", newListener())
	first, _ := m.HeardSince()
	srv.Stop()
	srv.Restart(t)
	await(t, func() bool {
		again, ok := m.HeardSince()
		return ok && again.After(first)
	})
	leave()
	if _, ok := m.HeardSince(); ok {
		t.Error("a replica that has left still hears the others")
	}
}
