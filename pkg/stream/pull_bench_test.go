package stream_test

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// BenchmarkPull measures what an event costs a dispatcher from the broker to
// its handler and back: pulled with few others, kept alive, acknowledged. The
// server is another process; cpu-ns/op is this one's time on processors.
func BenchmarkPull(b *testing.B) {
	const kept, batch = 20_000, 16
	url := natstest.StartApart(b)
	c, err := stream.Connect(stream.Settings{URL: url, Name: b.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	await(b, func() bool { return c.Ready(b.Context()) == nil })
	if err := c.Ensure(b.Context(), topology()); err != nil {
		b.Fatal(err)
	}
	js := fill(b, url, kept)
	for _, pullers := range []int{1, 4} {
		b.Run(fmt.Sprintf("pullers=%d", pullers), func(b *testing.B) {
			b.ReportAllocs()
			b.StopTimer()
			var spent time.Duration
			for left := b.N; left > 0; left -= kept {
				events := fromTheStart(b, c, js)
				before := processorTime(b)
				b.StartTimer()
				pullAll(b, events, pullers, min(left, kept), batch)
				b.StopTimer()
				spent += processorTime(b) - before
			}
			b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
		})
	}
}

// fill stores n events.
func fill(b *testing.B, url string, n int) jetstream.JetStream {
	b.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	body := event.Sample(event.CallCompleted, "acme", "evt_1", time.Now()).Body()
	for i := range n {
		msg := &nats.Msg{
			Subject: proto.SubjectEvent("acme", string(event.CallCompleted)), Data: body,
			Header: nats.Header{jetstream.MsgIDHeader: {fmt.Sprint(i)}, proto.HeaderContentType: {proto.ContentTypeJSON}},
		}
		if _, err := js.PublishMsgAsync(msg); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return js
}

// fromTheStart opens the shared consumer after making it again.
func fromTheStart(b *testing.B, c *stream.Conn, js jetstream.JetStream) *stream.Events {
	b.Helper()
	events, err := c.EventsOf(b.Context(), "acme")
	if err != nil {
		b.Fatal(err)
	}
	if err := js.DeleteConsumer(b.Context(), proto.StreamEvents, events.Name); err != nil {
		b.Fatal(err)
	}
	if err := c.Ensure(b.Context(), topology()); err != nil {
		b.Fatal(err)
	}
	return events
}

// pullAll pulls n events in batches, as so many pullers.
func pullAll(b *testing.B, events *stream.Events, pullers, n, batch int) {
	b.Helper()
	var (
		left atomic.Int64
		all  sync.WaitGroup
	)
	left.Store(int64(n))
	for range pullers {
		all.Go(func() {
			for {
				ask := int64(batch) + min(0, left.Add(-int64(batch)))
				if ask <= 0 {
					return
				}
				got, err := events.Pull(b.Context(), int(ask), time.Second, func(m *stream.Message) {
					stop := m.KeepAlive()
					if err := m.Ack(); err != nil {
						b.Error(err)
					}
					stop()
				})
				if got != int(ask) || err != nil {
					b.Errorf("%d of %d events came, %v", got, ask, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// processorTime is how long this process has had of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
