package sqlstore

import "github.com/dialnote/webhooks/pkg/store"

// CandidatesQuery returns the statement that ListDeliveries reads its rows
// with.
func (s *Store) CandidatesQuery(webhookID string, f store.DeliveryFilter, after string) (string, []any, error) {
	return s.candidatesQuery(*s.conditions(webhookID, f), after, 51)
}
