package manage

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Admission decides which events may be stored.
type Admission interface {
	// Admit returns nil when an organization may have one more event with a body of so
	// many bytes, else a fault of kind RateLimited with the quota.
	Admit(ctx context.Context, organizationID string, body int) error
	// NoRoom counts an event that the stream refused.
	NoRoom()
}

// Publish stores the event of a request body, and returns its id once it is
// stored safely. The errors of event.ParseSubmission and of Admission pass through.
func (s *Service) Publish(ctx context.Context, organizationID string, body []byte) (string, error) {
	e, err := event.ParseSubmission(body, organizationID, s.Now())
	if err != nil {
		return "", fmt.Errorf("read event: %w", err)
	}
	ctx, span := s.Tracer.Publish(ctx, e)
	err = s.admit(ctx, e)
	span.Fail(err)
	if err != nil {
		return "", fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return e.ID, nil
}

// admit stores an event when its organization may have one more.
func (s *Service) admit(ctx context.Context, e event.Event) error {
	if err := s.Admission.Admit(ctx, e.OrganizationID, len(e.Body())); err != nil {
		return err
	}
	err := s.Stream.Publish(ctx, e)
	if stream.IsFull(err) {
		s.Admission.NoRoom()
	}
	return err
}
