package deliver

import (
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// DeclinedAt returns the entry of a delivery for which no request was made now.
func DeclinedAt(now func() time.Time, t *match.Target, d delivery.Delivery, result delivery.Result, why string) delivery.Attempt {
	return decline(t, d, result, why, now())
}
