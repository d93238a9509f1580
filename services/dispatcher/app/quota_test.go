package app_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// awaitOver waits until the list of the organizations that have reached a quota is as
// wanted, as "organization quota".
func (s *system) awaitOver(t *testing.T, want string) {
	t.Helper()
	await(t, "over their quotas are: "+want, func() bool {
		list, err := s.store.Over(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, one := range list {
			text = append(text, one.OrganizationID+" "+string(one.Quota))
		}
		return strings.Join(text, ", ") == want
	})
}

// awaitCounted waits until the account says of each event that the stream keeps that it
// is kept, and of nothing else.
func (s *system) awaitCounted(t *testing.T) {
	t.Helper()
	await(t, "the account is what the stream keeps", func() bool {
		account, err := s.store.Counted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		level, err := s.conn.Level(t.Context(), proto.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, bytes := range account.Bytes {
			sum += bytes
		}
		return account.Positions[proto.StreamEvents] == level.Last && uint64(sum) == level.Bytes
	})
}

// awaitRejected waits until so many messages of an organization are rejected.
func (s *system) awaitRejected(t *testing.T, organizationID string, n int) []stream.Rejected {
	t.Helper()
	var list []stream.Rejected
	await(t, fmt.Sprintf("%d messages of %s are rejected", n, organizationID), func() bool {
		var err error
		list, err = s.conn.Rejected(t.Context(), stream.RejectedRange{OrganizationID: organizationID}, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(list) >= n
	})
	return list
}

// An organization has as many bytes of events as it may have. What comes of it by NATS
// is kept among the rejected messages, with the reason; what config-api accepted is
// delivered, and so are the events of others. When old events have left, new ones are
// delivered again.
func TestEventsOverAQuotaAreRejected(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(never)
	cfg.Quotas = quota.Limits{Events: 3000}
	replica := s.run(t, cfg)
	r := newReceiver(t, nil)
	greedy, other := s.webhook(t, "greedy", r.url), s.webhook(t, "other", r.url)
	within := names("within", 5) // some 700 bytes each
	s.publish(t, "greedy", within...)
	s.awaitStatus(t, greedy, delivery.StatusDelivered, within...)
	s.awaitOver(t, "greedy events")
	rejected := 0
	await(t, "the replica knows it", func() bool {
		s.publish(t, "greedy", fmt.Sprintf("evt_over_%d", rejected))
		rejected++
		return replica.gauge(t, "events_over_quota_total") > 0
	})
	list := s.awaitRejected(t, "greedy", 1)
	if reason := list[0].Reason; !strings.HasPrefix(reason, "over-quota: the events of organization greedy take ") {
		t.Errorf("the reason is %q", reason)
	}
	s.publish(t, "other", "evt_other")
	s.awaitStatus(t, other, delivery.StatusDelivered, "evt_other")
	admitting, err := stream.Connect(stream.Settings{URL: s.nats.ClientURL(), Name: t.Name(), Admits: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admitting.Close)
	await(t, "an event that config-api accepted is stored", func() bool {
		return admitting.Publish(t.Context(), event.Sample(event.CallCompleted, "greedy", "evt_admitted", time.Now())) == nil
	})
	s.awaitStatus(t, greedy, delivery.StatusDelivered, "evt_admitted")
	s.awaitCounted(t) // what was rejected is removed, and no longer counted
	await(t, "the stream keeps what is delivered, and nothing else", func() bool {
		level, err := s.conn.Level(t.Context(), proto.StreamEvents)
		return err == nil && level.Messages == uint64(len(r.counts()))
	})

	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: 200 * time.Millisecond, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	await(t, "the events have left", func() bool { return len(s.nats.Stored(t, proto.StreamEvents)) == 0 })
	s.awaitOver(t, "")
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	for again, delivered := 0, false; !delivered; again++ { // the replica may not have heard of it yet
		id, before := fmt.Sprintf("evt_again_%d", again), replica.gauge(t, "events_over_quota_total")
		s.publish(t, "greedy", id)
		await(t, "the event is delivered or rejected", func() bool {
			delivered = len(s.attempts(t, greedy, id)) > 0
			return delivered || replica.gauge(t, "events_over_quota_total") > before
		})
	}
}

// What waits for the webhooks of an organization has a bound too.
func TestMuchThatWaitsReachesAQuota(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	cfg := config(never)
	cfg.Quotas = quota.Limits{Waiting: 4 * quota.WaitingBytes}
	r := newReceiver(t, nil)
	w := s.webhook(t, "greedy", r.url)
	s.update(t, w, func(w *webhook.Webhook) { w.Health.AutoDisabled = webhook.DisabledForFailures })
	first := s.run(t, cfg)
	s.publish(t, "greedy", names("waits", 4)...)
	s.awaitHeld(t, w, 4)
	first.stop() // the next one counts when it begins
	s.run(t, cfg)
	s.awaitOver(t, "greedy waiting")
}

// A replica is killed when it has read what it would count next: the one that takes
// over counts each event once.
func TestTheAccountIsRightAfterAKill(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish(t, "acme", names("before", 3)...)
	reached, resume := make(chan struct{}), make(chan struct{})
	block := func() {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-resume
	}
	first := s.run(t, config(never))
	s.awaitCounted(t)
	s.store.beforeCount.Store(&block)
	s.publish(t, "acme", names("meanwhile", 3)...)
	<-reached
	killed := make(chan struct{})
	go func() { first.kill(); close(killed) }()
	s.store.beforeCount.Store(nil)
	second := s.run(t, config(never))
	s.publish(t, "other", names("after", 3)...)
	close(resume) // too late: it has lost the counting, or has been told to stop
	<-killed
	s.awaitCounted(t)
	await(t, "the other one counts", func() bool { return second.gauge(t, "usage_counting") == 1 })
	account, err := s.store.Counted(t.Context())
	if err != nil || len(account.Bytes) != 2 {
		t.Errorf("%+v, %v", account, err)
	}
}

// The events of all organizations take all the room that they may. What was accepted
// is delivered, retried and recorded all the same, and events are accepted again when
// there is room, without a restart.
func TestWhatWasAcceptedIsDeliveredWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if err := s.conn.Ensure(t.Context(), stream.Topology{Retention: time.Hour, Replicas: 1, Events: 8 << 10}); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, first(1, status(http.StatusUnprocessableEntity))) // which puts no webhook on hold
	w := s.webhook(t, "acme", r.url)
	var accepted []string
	for {
		id := fmt.Sprintf("evt_%d", len(accepted))
		err := s.conn.Publish(t.Context(), event.Sample(event.CallCompleted, "acme", id, time.Now()))
		if stream.IsFull(err) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, id)
	}
	s.run(t, config(10, 10))
	s.awaitStatus(t, w, delivery.StatusDelivered, accepted...)
	s.awaitHeld(t, w, 0)
	if requests := len(r.all()); requests != len(accepted)+1 {
		t.Errorf("%d requests for %d events, of which one failed once", requests, len(accepted))
	}
	if err := s.conn.Publish(t.Context(), event.Sample(event.CallCompleted, "acme", "evt_refused", time.Now())); !stream.IsFull(err) {
		t.Errorf("there is no room and an event is answered with %v", err)
	}
	if err := s.conn.RemoveEvent(t.Context(), proto.StreamEvents, 1); err != nil {
		t.Fatal(err)
	}
	s.publish(t, "acme", "evt_again")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_again")
}
