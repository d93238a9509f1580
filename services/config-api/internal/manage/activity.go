package manage

import (
	"context"
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// Activity returns, for each webhook of an organization, its outcomes hour by
// hour over so many hours of the clock, the one that has begun included. A
// webhook without any is not in the map; NoHours is what it would have.
func (s *Service) Activity(ctx context.Context, organizationID string, hours int) (map[string][]store.HourStats, error) {
	since, until := s.window(hours)
	activity, err := s.DeliveryLog.Activity(ctx, organizationID, since, until)
	if err != nil {
		return nil, fmt.Errorf("count outcomes: %w", err)
	}
	return activity, nil
}

// NoHours returns so many hours in which nothing happened, the one that has
// begun included.
func (s *Service) NoHours(hours int) []store.HourStats {
	since, _ := s.window(hours)
	list := make([]store.HourStats, hours)
	for i := range list {
		list[i].Start = since.Add(time.Duration(i) * time.Hour)
	}
	return list
}

// window returns so many whole hours, the one that has begun included.
func (s *Service) window(hours int) (since, until time.Time) {
	until = s.now().Truncate(time.Hour).Add(time.Hour)
	return until.Add(-time.Duration(hours) * time.Hour), until
}
