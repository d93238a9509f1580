package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// The sizes of messages add up to what the server says that it keeps, whatever their
// headers are, and a reader goes on after any sequence.
func TestSizesAddUp(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := c.Publish(t.Context(), sample(t, fmt.Sprintf("evt_%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	srv.Publish(t, proto.SubjectEvent("other", "call.completed"), "", []byte("{}"))
	sizes := c.Sizes(proto.StreamEvents)
	t.Cleanup(func() { sizes.Close(t.Context()) })
	next := func(after uint64, n int) []stream.Size {
		t.Helper()
		got, err := sizes.Next(t.Context(), after, n, 5*time.Second)
		if err != nil || len(got) != n {
			t.Fatalf("after %d: %d of %d, %v", after, len(got), n, err)
		}
		return got
	}
	all := append(next(0, 2), next(2, 2)...)
	var sum int64
	for n, one := range all {
		organization := "acme"
		if n == 3 {
			organization = "other"
		}
		if one.Sequence != uint64(n+1) || one.OrganizationID != organization || one.Stored.IsZero() || one.OverQuota != nil {
			t.Errorf("message %d: %+v", n, one)
		}
		sum += one.Bytes
	}
	level, err := c.Level(t.Context(), proto.StreamEvents)
	if err != nil || level.Messages != 4 || level.Last != 4 || level.First.IsZero() {
		t.Errorf("%+v, %v", level, err)
	}
	if uint64(sum) != level.Bytes {
		t.Errorf("the sizes are %d bytes, the stream has %d", sum, level.Bytes)
	}
	if again := next(1, 1)[0]; again != all[1] {
		t.Errorf("read again: %+v, want %+v", again, all[1])
	}
}

// An event that is rejected because of a quota names what is to be removed.
func TestARejectedEventOverAQuotaNamesTheEvent(t *testing.T) {
	t.Parallel()
	c := ensured(t)
	if err := c.Publish(t.Context(), sample(t, event.NewID(time.Now()))); err != nil {
		t.Fatal(err)
	}
	shared, err := c.EventsOf(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	_, err = shared.Pull(t.Context(), 1, 5*time.Second, func(m *stream.Message) {
		if err := c.RejectOver(t.Context(), m, quota.Events, "over the quota"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reject(t.Context(), &stream.Message{Subject: "dialnote.events.acme.x", Sequence: 2}, "not an event"); err != nil {
		t.Fatal(err)
	}
	events, rejected := c.Sizes(proto.StreamEvents), c.Sizes(proto.StreamRejected)
	counted, err := events.Next(t.Context(), 0, 1, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	list, err := rejected.Next(t.Context(), 0, 2, 5*time.Second)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	want := stream.OverQuota{Stream: proto.StreamEvents, Sequence: 1, Stored: counted[0].Stored.UTC(), Bytes: counted[0].Bytes}
	if over := list[0].OverQuota; over == nil || !over.Stored.Equal(want.Stored) || over.Sequence != 1 || over.Bytes != want.Bytes || list[0].OrganizationID != "acme" {
		t.Errorf("%+v, want %+v", list[0].OverQuota, want)
	}
	if list[1].OverQuota != nil {
		t.Errorf("%+v", list[1])
	}
}
