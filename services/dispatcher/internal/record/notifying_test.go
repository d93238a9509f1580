package record_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/record"
)

// folded is a store that decides and keeps nothing.
type folded struct {
	webhooks map[string]webhook.Webhook
	away     error
}

func (f folded) Record(_ context.Context, p delivery.Policy, attempts []delivery.Attempt) ([]delivery.Step, error) {
	if f.away != nil {
		return nil, f.away
	}
	recorded := make([]delivery.Step, len(attempts))
	for i, s := range delivery.Fold(p, f.webhooks, attempts, time.Time{}) {
		recorded[i] = delivery.Step{Found: s.Found, Before: s.Before, After: s.After, Decision: s.Decision}
	}
	return recorded, nil
}

type watchers struct {
	all   map[string][]stream.Activity
	woken int
	away  error
}

func (t *watchers) PublishActivity(organization string, a stream.Activity) error {
	t.all[organization] = append(t.all[organization], a)
	return t.away
}

func (t *watchers) Wake() { t.woken++ }

func attemptOf(organization, webhookID string, i int, outcome delivery.Outcome) delivery.Attempt {
	at := time.Date(2026, 11, 23, 10, 0, i, 999, time.UTC)
	eventID := "evt_" + strconv.Itoa(i)
	return delivery.Attempt{
		ID: fmt.Sprint("att_", i), DeliveryID: delivery.ID(webhookID, eventID), WebhookID: webhookID, OrganizationID: organization,
		EventID: eventID, EventType: event.CallCompleted, Number: 1, StartedAt: at, EndedAt: at.Add(500 * time.Millisecond), Outcome: outcome,
	}
}

var (
	good = delivery.Outcome{Result: delivery.Succeeded, StatusCode: 200}
	bad  = delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonServerError, StatusCode: 503}
	gone = delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonGone, StatusCode: 410}
)

func webhooks() map[string]webhook.Webhook {
	return map[string]webhook.Webhook{
		"wh_a": {ID: "wh_a", OrganizationID: "acme", Event: webhook.SendCallLogs, Provider: webhook.Custom},
		"wh_z": {ID: "wh_z", OrganizationID: "acme", Event: webhook.SendCallLogs, Provider: webhook.Zapier},
		"wh_o": {ID: "wh_o", OrganizationID: "other", Event: webhook.SendCallLogs, Provider: webhook.Custom},
	}
}

func TestOneMessageForEachOrganizationOfABatch(t *testing.T) {
	t.Parallel()
	to := &watchers{all: map[string][]stream.Activity{}}
	s := &record.NotifyingStore{Store: folded{webhooks: webhooks()}, Notifier: to, Outbox: to, Log: slog.New(slog.DiscardHandler)}
	batch := []delivery.Attempt{
		attemptOf("acme", "wh_a", 1, bad), attemptOf("other", "wh_o", 2, good), attemptOf("acme", "wh_gone", 3, good), attemptOf("acme", "wh_a", 4, bad),
	}
	recorded, err := s.Record(t.Context(), delivery.DefaultPolicy(), batch)
	if err != nil || len(recorded) != 4 {
		t.Fatalf("recorded %d, %v", len(recorded), err)
	}
	if len(to.all) != 2 || len(to.all["acme"]) != 1 || len(to.all["other"]) != 1 {
		t.Fatalf("told %+v", to.all)
	}
	got := to.all["acme"][0]
	if len(got.Attempts) != 2 || got.More || len(to.all["other"][0].Attempts) != 1 {
		t.Fatalf("told %+v", to.all)
	}
	want := stream.RecordedAttempt{
		WebhookID: "wh_a", DeliveryID: batch[0].DeliveryID, EventID: "evt_1", EventType: event.CallCompleted,
		Status: delivery.StatusRetrying, Number: 1, Reason: delivery.ReasonServerError, StatusCode: 503,
		StartedAt: batch[0].StartedAt.Truncate(time.Microsecond), EndedAt: batch[0].EndedAt.Truncate(time.Microsecond),
	}
	if got.Attempts[0] != want {
		t.Errorf("told %+v, want %+v", got.Attempts[0], want)
	}
	if to.woken != 0 {
		t.Error("woke the outbox for nothing")
	}
}

func TestTheOutboxIsWokenForNotices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		batch []delivery.Attempt
		want  int
	}{
		"third failure": {[]delivery.Attempt{attemptOf("acme", "wh_a", 1, bad), attemptOf("acme", "wh_a", 2, bad), attemptOf("acme", "wh_a", 3, bad)}, 1},
		"gone":          {[]delivery.Attempt{attemptOf("acme", "wh_a", 1, gone)}, 1},
		"Zapier, gone":  {[]delivery.Attempt{attemptOf("acme", "wh_z", 1, gone)}, 1},
		"two failures":  {[]delivery.Attempt{attemptOf("acme", "wh_a", 1, bad), attemptOf("acme", "wh_a", 2, bad)}, 0},
	} {
		to := &watchers{all: map[string][]stream.Activity{}}
		s := &record.NotifyingStore{Store: folded{webhooks: webhooks()}, Notifier: to, Outbox: to, Log: slog.New(slog.DiscardHandler)}
		if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), c.batch); err != nil {
			t.Fatal(err)
		}
		if to.woken != c.want {
			t.Errorf("%s: woken %d times, want %d", name, to.woken, c.want)
		}
	}
}

func TestNotifyingNeverFailsTheRecordingAndIsBounded(t *testing.T) {
	t.Parallel()
	to := &watchers{all: map[string][]stream.Activity{}, away: errors.New("away")}
	s := &record.NotifyingStore{Store: folded{webhooks: webhooks()}, Notifier: to, Outbox: to, Log: slog.New(slog.DiscardHandler)}
	var batch []delivery.Attempt
	for i := range 101 {
		batch = append(batch, attemptOf("acme", "wh_a", i, good))
	}
	if recorded, err := s.Record(t.Context(), delivery.DefaultPolicy(), batch); err != nil || len(recorded) != 101 {
		t.Fatalf("recorded %d, %v", len(recorded), err)
	}
	if a := to.all["acme"][0]; len(a.Attempts) != 100 || !a.More {
		t.Errorf("told of %d attempts, more %t", len(a.Attempts), a.More)
	}
	away := errors.New("the database is away")
	s.Store = folded{away: away}
	to.all = map[string][]stream.Activity{}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), batch); !errors.Is(err, away) || len(to.all) != 0 {
		t.Errorf("error %v, told %v", err, to.all)
	}
}

// BenchmarkNotify is what notifying adds to the commit of a full batch, over a real
// connection, whether anybody watches or not.
func BenchmarkNotify(b *testing.B) {
	conn, err := stream.Connect(stream.Settings{URL: natstest.Start(b).ClientURL(), Name: "bench"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	for conn.Ready(b.Context()) != nil {
		if b.Context().Err() != nil {
			b.Fatal("no broker")
		}
	}
	const size = 512
	for _, organizations := range []int{1, 32, size} {
		batch, recorded := make([]delivery.Attempt, size), make(fixed, size)
		for i := range size {
			organization := "org" + strconv.Itoa(i%organizations)
			w := webhook.Webhook{ID: "wh_01jd9v7q6w3k8m5n2p4r6t8v" + strconv.Itoa(i%organizations), OrganizationID: organization, Event: webhook.SendCallLogs}
			batch[i] = attemptOf(organization, w.ID, i, good)
			recorded[i] = delivery.Step{Found: true, Before: &w, After: &w, Decision: delivery.Decision{Status: delivery.StatusDelivered}}
		}
		b.Run(strconv.Itoa(organizations)+" organizations", func(b *testing.B) {
			s := &record.NotifyingStore{Store: recorded, Notifier: conn, Outbox: &watchers{}, Log: slog.New(slog.DiscardHandler)}
			for b.Loop() {
				if _, err := s.Record(b.Context(), delivery.Policy{}, batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/attempt")
		})
	}
}

// fixed is a store that has recorded already.
type fixed []delivery.Step

func (f fixed) Record(context.Context, delivery.Policy, []delivery.Attempt) ([]delivery.Step, error) {
	return f, nil
}
