package sqlstore

import (
	"context"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// ListRecoveries implements store.Recoveries.
func (s *Store) ListRecoveries(ctx context.Context, organizationID, webhookID string, limit int) ([]delivery.Recovery, error) {
	const newest = `SELECT ` + recoveryColumns + ` FROM recoveries WHERE webhook_id = ? AND organization_id = ? ORDER BY id DESC LIMIT ?`
	var rows []recoveryRow
	if err := s.Reader.SelectContext(ctx, &rows, s.Reader.Rebind(newest), webhookID, organizationID, limit); err != nil {
		return nil, s.Explain(ctx, "list recoveries of webhook "+webhookID, err)
	}
	list := make([]delivery.Recovery, 0, len(rows))
	for _, row := range rows {
		list = append(list, row.recovery())
	}
	return list, nil
}
