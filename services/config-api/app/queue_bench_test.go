package app_test

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// BenchmarkHeld counts the held events of an organization's webhooks, of which
// one is on hold, beside the lanes of others. The time of processors includes
// the broker's, which runs in the same process.
func BenchmarkHeld(b *testing.B) {
	for _, others := range []int{0, 1000, 100_000} {
		for _, webhooks := range []int{3, 100} {
			b.Run(fmt.Sprintf("%d webhooks beside %d lanes", webhooks, others), func(b *testing.B) {
				benchmarkHeld(b, webhooks, others)
			})
		}
	}
}

func benchmarkHeld(b *testing.B, webhooks, others int) {
	b.Helper()
	server := natstest.Start(b)
	conn := benchConn(b, server)
	ws := make([]webhook.Webhook, webhooks)
	for i := range ws {
		ws[i] = storetest.Webhook("acme")
	}
	fillLanes(b, conn, others)
	if others > 0 {
		d := delivery.Delivery{ID: "dlv_own", WebhookID: ws[0].ID, OrganizationID: "acme", EventStored: time.Now(), Body: []byte("{}")}
		if err := conn.Enqueue(b.Context(), d, 1); err != nil {
			b.Fatal(err)
		}
	}
	before := processorTime(b)
	for b.Loop() {
		held, err := conn.HeldEach(b.Context(), ws)
		if err != nil || len(held) > webhooks || (held[ws[0].ID] == 1) != (others > 0) {
			b.Fatal(held[ws[0].ID], err)
		}
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func benchConn(b *testing.B, server *natstest.Server) *stream.Conn {
	b.Helper()
	conn, err := stream.Connect(stream.Settings{URL: server.ClientURL(), Name: b.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	if err := conn.Ensure(b.Context(), stream.Topology{Replicas: 1, Retention: 24 * time.Hour}); err != nil {
		b.Fatal(err)
	}
	return conn
}

// fillLanes has a delivery wait in each of so many lanes.
func fillLanes(b *testing.B, conn *stream.Conn, lanes int) {
	b.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	for range 256 {
		all.Go(func() {
			for i := range next {
				d := delivery.Delivery{ID: fmt.Sprintf("dlv_%d", i), WebhookID: fmt.Sprintf("wh_%d", i), OrganizationID: "other", EventStored: time.Now(), Body: []byte("{}")}
				if err := conn.Enqueue(b.Context(), d, 1); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range lanes {
		next <- i
	}
	close(next)
	all.Wait()
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
