// Package attempt makes one HTTP request for a delivery: it signs the body and
// sends those very bytes, with the headers that the help page and Standard
// Webhooks promise.
package attempt

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

// Maker makes attempts. Safe for concurrent use.
type Maker struct {
	sender Sender
	now    func() time.Time
}

// NewMaker returns a maker that sends through sender.
func NewMaker(sender Sender, now func() time.Time) *Maker {
	return &Maker{sender: sender, now: now}
}

// Make makes the number-th attempt of a delivery to a target and returns it
// with its outcome. ok is false when ctx ended before there was an outcome:
// then nothing is known, and nothing may be recorded.
func (m *Maker) Make(ctx context.Context, t *match.Target, d delivery.Delivery, number int) (a delivery.Attempt, ok bool) {
	a = m.begin(t, d, number)
	if t.Err != nil {
		a.Outcome = delivery.Outcome{
			Result: delivery.Failed, Reason: delivery.ReasonInternal,
			Message: "This webhook's URL or secret cannot be used. Save its URL again, or create it anew.",
			Cause:   t.Err,
		}
		a.EndedAt = m.now()
		return a, true
	}
	a.Outcome = m.sender.Send(ctx, egress.Request{
		Method:       http.MethodPost,
		URL:          a.URL,
		Normal:       t.URL,
		Organization: a.OrganizationID,
		Fields:       delivery.Header(d, t.Webhook, t.Signer, a.StartedAt),
		Body:         d.Body,
	})
	a.EndedAt = m.now()
	return a, a.Outcome.Result != ""
}

// Decline returns the entry in a delivery's log that says why no request was
// made now: Deferred while it waits in its lane, Skipped when the webhook no
// longer wants it.
func (m *Maker) Decline(t *match.Target, d delivery.Delivery, result delivery.Result, message string) delivery.Attempt {
	a := m.begin(t, d, 0)
	a.EndedAt = a.StartedAt
	a.Outcome = delivery.Outcome{Result: result, Message: message}
	return a
}

func (m *Maker) begin(t *match.Target, d delivery.Delivery, number int) delivery.Attempt {
	now := m.now()
	a := delivery.Attempt{
		ID:             newID(now),
		DeliveryID:     d.ID,
		WebhookID:      d.WebhookID,
		OrganizationID: d.OrganizationID,
		EventID:        d.EventID,
		EventType:      d.EventType,
		EventSequence:  d.EventSequence,
		Number:         number,
		PriorAttempts:  d.PriorAttempts,
		URL:            t.Sent,
		StartedAt:      now,
	}
	if number > 0 {
		a.HeaderNames = webhook.HeaderNames(t.Webhook.Headers)
	}
	return a
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
