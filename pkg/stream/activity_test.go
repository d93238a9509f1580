package stream_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
)

// watch returns a channel with the activity of an organization.
func watch(t *testing.T, c *stream.Conn, organization string) <-chan stream.Activity {
	t.Helper()
	heard := make(chan stream.Activity, 100)
	stop, err := c.WatchActivity(t.Context(), organization, func(a stream.Activity) { heard <- a })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return heard
}

func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(2 * time.Minute):
		t.Fatalf("no %s came", what)
	}
	var none T
	return none // not reached
}

func attemptOf(webhookID string) stream.RecordedAttempt {
	at := time.Date(2026, 11, 23, 10, 0, 0, 1000, time.UTC)
	return stream.RecordedAttempt{
		WebhookID: webhookID, DeliveryID: delivery.ID(webhookID, "evt_1"), EventID: "evt_1", EventType: event.NoteCreated,
		Status: delivery.StatusRetrying, Number: 2, Test: true, Reason: delivery.ReasonServerError, StatusCode: 503,
		StartedAt: at, EndedAt: at.Add(time.Second),
	}
}

func TestWatchersOfAnOrganizationGetItsActivity(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	teller, watcher := connect(t, srv), connect(t, srv)
	await(t, func() bool {
		_, err := watcher.WatchActivity(t.Context(), "absent", func(stream.Activity) {})
		return err == nil
	})
	acme, other := watch(t, watcher, "acme"), watch(t, watcher, "other")
	want := stream.Activity{Attempts: []stream.RecordedAttempt{attemptOf("wh_1")}, More: true}
	for _, tell := range []func() error{
		func() error { return teller.PublishActivity("acme", want) },
		func() error { return teller.PublishActivity("acme.x", want) }, // no organization's
		func() error { return teller.Announce(stream.Change{OrganizationID: "other", WebhookID: "wh_2"}) },
	} {
		await(t, func() bool { return tell() == nil })
	}
	if got := next(t, "activity", acme); !reflect.DeepEqual(got, want) {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	if got := next(t, "change", other); !reflect.DeepEqual(got, stream.Activity{Webhooks: []string{"wh_2"}}) {
		t.Errorf("heard %+v", got)
	}
	if len(acme)+len(other) > 0 {
		t.Error("heard what was another organization's")
	}
}

func TestAWatcherHasOneOrganization(t *testing.T) {
	t.Parallel()
	c := connect(t, natstest.Start(t))
	for _, id := range []string{"*", ">", "", "a.b", "a b"} {
		if _, err := c.WatchActivity(t.Context(), id, func(stream.Activity) {}); err == nil {
			t.Errorf("watched %q", id)
		}
	}
}

func TestWatchingWhileTheBrokerIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	srv.Stop()
	await(t, func() bool {
		_, err := c.WatchActivity(t.Context(), "acme", func(stream.Activity) {})
		return fault.Is(err, fault.Unavailable)
	})
}

// silent fails the test if activity arrives.
type silent struct{}

func (silent) Changed(stream.Change)         {}
func (silent) Arrived(stream.Arrival)        {}
func (silent) TakenElsewhere([]stream.Taken) {}

func TestGapsAreNoticed(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	watcher := connect(t, srv)
	await(t, func() bool { return watcher.Ready(t.Context()) == nil })
	missed := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Gaps(ctx, func() { missed <- struct{}{} }) }()

	// join starts a replica and returns its connection, and what makes it leave.
	join := func(name string) (*stream.Conn, func()) {
		c, err := stream.Connect(stream.Settings{URL: srv.ClientURL(), Name: name}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Join(name, silent{})
		if err != nil {
			t.Fatal(err)
		}
		running, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- m.Run(running) }()
		await(t, m.Fresh)
		return c, func() { leave(); <-left }
	}
	leaver, leave := join("leaves")
	leave()
	defer leaver.Close()
	dies, stopDying := join("dies")
	if len(missed) > 0 {
		t.Error("missed something although nothing was lost")
	}
	dies.Close() // without saying that it leaves
	next(t, "gap after a replica died", missed)
	stopDying()

	stays, stopStaying := join("stays")
	defer stays.Close()
	defer stopStaying()
	for len(missed) > 0 {
		<-missed
	}
	srv.Stop()
	srv.Restart(t)
	next(t, "gap after the broker was away", missed)
	cancel()
	if err := next(t, "end", ended); err != nil {
		t.Error(err)
	}
}

func BenchmarkTellActivity(b *testing.B) {
	srv := natstest.Start(b)
	c, err := stream.Connect(stream.Settings{URL: srv.ClientURL(), Name: "bench"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for c.Ready(b.Context()) != nil {
		if b.Context().Err() != nil {
			b.Fatal("no broker")
		}
	}
	for _, n := range []int{1, 10, 100} {
		var a stream.Activity
		for range n {
			a.Attempts = append(a.Attempts, attemptOf("wh_01jd9v7q6w3k8m5n2p4r6t8v0x"))
		}
		text, err := json.Marshal(a)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strconv.Itoa(n)+" attempts", func(b *testing.B) {
			b.ReportMetric(float64(len(text)), "bytes/message")
			for b.Loop() {
				if err := c.PublishActivity("acme", a); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/attempt")
		})
	}
}
