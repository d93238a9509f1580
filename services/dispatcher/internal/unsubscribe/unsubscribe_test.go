package unsubscribe_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/unsubscribe"
)

func TestOnlyAnUnreachableZapierIsTriedAgain(t *testing.T) {
	t.Parallel()
	if d := unsubscribe.Pause(delivery.Outcome{Result: delivery.Succeeded}, 1); d != 0 {
		t.Errorf("after a success: %s", d)
	}
	for reason, want := range map[delivery.Reason]bool{
		delivery.ReasonDNS: true, delivery.ReasonConnect: true, delivery.ReasonTLS: true, delivery.ReasonTimeout: true,
		delivery.ReasonReset: true, delivery.ReasonServerError: true, delivery.ReasonRateLimited: true, delivery.ReasonProtocol: true,
		delivery.ReasonGone: false, delivery.ReasonClientError: false, delivery.ReasonRedirect: false,
		delivery.ReasonBlockedAddress: false, delivery.ReasonInternal: false,
	} {
		last := time.Duration(0)
		for times := range uint64(30) {
			d := unsubscribe.Pause(delivery.Outcome{Result: delivery.Failed, Reason: reason}, times)
			if (d > 0) != want || d < last || d > 10*time.Minute {
				t.Errorf("%s, time %d: %s after %s", reason, times, d, last)
			}
			last = d
		}
	}
}
