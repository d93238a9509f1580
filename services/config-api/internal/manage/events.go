package manage

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/event"
)

// Publish stores the event of a request body, and returns its id once it is
// stored safely. The errors of event.ParseSubmission pass through.
func (s *Service) Publish(ctx context.Context, organizationID string, body []byte) (string, error) {
	e, err := event.ParseSubmission(body, organizationID, s.Now())
	if err != nil {
		return "", fmt.Errorf("read event: %w", err)
	}
	ctx, span := s.Tracer.Publish(ctx, e)
	err = s.Stream.Publish(ctx, e)
	span.Fail(err)
	if err != nil {
		return "", fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return e.ID, nil
}
