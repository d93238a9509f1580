package queue

import (
	"context"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// claims notes what is asked for, and refuses it while the database is away.
type claims struct {
	store.Waiting

	away bool
	last store.WaitingClaim
}

func (c *claims) ClaimWaiting(_ context.Context, _ string, claim store.WaitingClaim) ([]store.WaitingWebhook, error) {
	c.last = claim
	if c.away {
		return nil, fault.New(fault.Unavailable, "away", "Away.")
	}
	return nil, nil
}

// A lease that ran out is taken only by a replica that has reached the database for
// as long as a lease: until then its holder may renew it.
func TestALeaseThatRanOutIsNotTakenAtOnce(t *testing.T) {
	t.Parallel()
	now, kept := time.Now(), &claims{}
	w := NewWaiting(Parts{Now: func() time.Time { return now }}, kept, "one", nil, 1)
	for _, c := range []struct {
		name  string
		after time.Duration // since the step before
		away  bool
		takes bool
	}{
		{"it has just begun", 0, false, false},
		{"a lease later", waitingLease, false, false},
		{"more than a lease later", time.Millisecond, false, true},
		{"the database is away", time.Second, true, true},
		{"it is back", time.Second, false, false},
		{"more than a lease after that", waitingLease + time.Millisecond, false, true},
	} {
		now, kept.away = now.Add(c.after), c.away
		if err := w.claim(t.Context(), t.Context()); (err != nil) != c.away {
			t.Errorf("%s: %v", c.name, err)
		}
		if takes := kept.last.RunOut.Equal(now); takes != c.takes || !kept.last.Until.Equal(now.Add(waitingLease)) {
			t.Errorf("%s: it asks for %+v", c.name, kept.last)
		}
	}
}

// What waits is an overflow until it is seen to wait for the webhook to be well.
func TestWhatWaitsOverflowsUntilItsWebhookFails(t *testing.T) {
	t.Parallel()
	disabled := notes
	disabled.Health.AutoDisabled = webhook.DisabledForFailures
	w := NewWaiting((&database{webhooks: []webhook.Webhook{disabled}}).parts(t), nil, "one", nil, 1)
	want := func(when string, wantBusy, wantOverflow bool) {
		t.Helper()
		if busy, overflow := w.Busy("wh_1"); busy != wantBusy || overflow != wantOverflow {
			t.Errorf("%s: busy %t, overflow %t", when, busy, overflow)
		}
	}
	want("it is not read", false, false)
	d := &drain{Waiting: w, organizationID: "acme", webhookID: "wh_1", wake: backoff.NewSignal()}
	w.byID["wh_1"] = d
	want("it has just begun", true, true)
	for _, left := range []bool{false, true} { // it looks past the cache first
		if got, _, err := d.step(t.Context(), t.Context()); got != left || err != nil {
			t.Errorf("left %t, %v", got, err)
		}
	}
	want("its webhook was disabled", true, false)
}
