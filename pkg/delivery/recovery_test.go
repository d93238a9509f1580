package delivery_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

func TestWhatWasAskedForAgainHasTheScheduleOfANewDelivery(t *testing.T) {
	t.Parallel()
	p := delivery.DefaultPolicy()
	for _, earlier := range []int{1, 3, 6, 40} {
		for try := 1; try <= p.Attempts(); try++ {
			refused := failed(delivery.ReasonClientError)
			fresh := attempt(try, 0, 1, refused)
			again := attempt(earlier+try, 0, 1, refused)
			again.PriorAttempts = earlier
			_, want := delivery.Decide(p, active(), fresh)
			if _, got := delivery.Decide(p, active(), again); got != want {
				t.Errorf("try %d after %d attempts: %+v, want %+v", try, earlier, got, want)
			}
		}
	}
	last := attempt(46, 0, 1, failed(delivery.ReasonClientError))
	last.PriorAttempts = 40
	if _, d := delivery.Decide(p, active(), last); d.Action != delivery.Done || d.Status != delivery.StatusFailed {
		t.Errorf("after the last try: %+v", d)
	}
}

func TestDoneSinceItWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		progress delivery.Progress
		earlier  int
		want     bool
	}{
		{delivery.Progress{}, 0, false},
		{delivery.Progress{Attempts: 3}, 0, false},
		{delivery.Progress{Attempts: 3, Delivered: true, LastSuccess: 3}, 0, true},
		{delivery.Progress{Attempts: 3, Delivered: true, LastSuccess: 3}, 3, false},
		{delivery.Progress{Attempts: 4, Delivered: true, LastSuccess: 3}, 3, false}, // asked for again, and failed
		{delivery.Progress{Attempts: 4, Delivered: true, LastSuccess: 4}, 3, true},
		{delivery.Progress{Attempts: 5, Delivered: true, LastSuccess: 4}, 3, true},
	} {
		if got := tc.progress.Done(tc.earlier); got != tc.want {
			t.Errorf("%+v after %d: %v", tc.progress, tc.earlier, got)
		}
	}
}

func TestWhatARecoveryDelivers(t *testing.T) {
	t.Parallel()
	for status, want := range map[delivery.Status]bool{
		"": true, delivery.StatusFailed: true, delivery.StatusSkipped: true,
		delivery.StatusDelivered: false, delivery.StatusRetrying: false, delivery.StatusHeld: false,
	} {
		if got := (delivery.Standing{Status: status}).Missed(); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

func TestARecoveryEnds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := delivery.Recovery{ID: "rec_1", Status: delivery.RecoveryRunning, Queued: 3}
	want := delivery.Recovery{ID: "rec_1", Status: delivery.RecoveryFailed, Message: "No.", Queued: 3, EndedAt: at}
	if got := r.End(delivery.RecoveryFailed, "No.", at); got != want || r.Status != delivery.RecoveryRunning {
		t.Errorf("got %+v from %+v", got, r)
	}
}
