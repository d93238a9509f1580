package manage

import (
	"context"
	"fmt"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// Snapshot returns all webhooks of an organization by their ids, without their
// secrets and their headers' values. It counts held events of those that count
// accepts; Held is nil for the others, and when they cannot be counted at the
// moment.
func (s *Service) Snapshot(ctx context.Context, organizationID string, count func(webhook.Webhook) bool) (map[string]View, error) {
	all, err := s.Webhooks.All(ctx, organizationID)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	views := make(map[string]View, len(all))
	var counted []webhook.Webhook
	for _, w := range all {
		w.Secret, w.Headers = "", webhook.MaskedHeaders(webhook.HeaderNames(w.Headers))
		if count(w) {
			counted = append(counted, w)
			continue
		}
		views[w.ID] = View{Webhook: w, SuggestsZapier: s.Rules.SuggestsZapier(w)}
	}
	if len(counted) == 0 {
		return views, nil
	}
	for _, v := range s.view(ctx, counted...) {
		views[v.ID] = v
	}
	return views, nil
}
