package deliver

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// Sender sends a request through the address guard. An outcome without a
// result means that ctx ended first.
type Sender interface {
	Send(ctx context.Context, r egress.Request) delivery.Outcome
}

// Attempt makes the number-th attempt of a delivery to a target and returns it
// with its outcome. It signs the body and sends those very bytes, with the headers
// that the help page and Standard Webhooks promise. ok is false when ctx ended
// before there was an outcome: then nothing is known, and nothing may be recorded.
func Attempt(ctx context.Context, sender Sender, now func() time.Time, t *match.Target, d delivery.Delivery, number int) (a delivery.Attempt, ok bool) {
	a = begin(t, d, number, now())
	a.HeaderNames = webhook.HeaderNames(t.Webhook.Headers)
	if t.Err != nil {
		a.Outcome = delivery.Outcome{
			Result: delivery.Failed, Reason: delivery.ReasonInternal,
			Message: "This webhook's URL or secret cannot be used. Save its URL again, or create the webhook again.",
			Cause:   t.Err,
		}
		a.EndedAt = now()
		return a, true
	}
	a.Outcome = sender.Send(ctx, egress.Request{
		Method:       http.MethodPost,
		URL:          a.URL,
		Normal:       t.URL,
		Organization: a.OrganizationID,
		Fields:       delivery.Header(d, t.Webhook, t.Signer, a.StartedAt),
		Body:         d.Body,
	})
	a.EndedAt = now()
	return a, a.Outcome.Result != ""
}

// decline returns the entry in a delivery's log that says why no request was made
// at a time.
func decline(t *match.Target, d delivery.Delivery, result delivery.Result, why string, at time.Time) delivery.Attempt {
	a := begin(t, d, 0, at)
	a.EndedAt = at
	a.Outcome = delivery.Outcome{Result: result, Message: why}
	return a
}

func begin(t *match.Target, d delivery.Delivery, number int, at time.Time) delivery.Attempt {
	return delivery.Attempt{
		ID:             newID(at),
		DeliveryID:     d.ID,
		WebhookID:      d.WebhookID,
		OrganizationID: d.OrganizationID,
		EventID:        d.EventID,
		EventType:      d.EventType,
		EventSequence:  d.EventSequence,
		Number:         number,
		PriorAttempts:  d.PriorAttempts,
		Waits:          d.Waits,
		EventStored:    d.EventStored,
		URL:            t.Sent,
		StartedAt:      at,
	}
}

// newID returns the id of an attempt that begins now: a ULID, which sorts by the
// millisecond. What makes it unique is drawn without a lock, and is no secret.
func newID(now time.Time) string {
	const prefix = "att_"
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(now))                       // fails only beyond the year 10889
	binary.BigEndian.PutUint16(id[6:], uint16(rand.Uint32())) //nolint:gosec // as above
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())         //nolint:gosec // as above
	text := make([]byte, len(prefix)+ulid.EncodedSize)
	copy(text, prefix)
	_ = id.MarshalTextTo(text[len(prefix):]) // fails only without room
	return string(text)
}
