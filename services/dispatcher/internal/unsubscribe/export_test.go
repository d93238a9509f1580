package unsubscribe

import (
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Pause is pause.
func Pause(out delivery.Outcome, times uint64) time.Duration { return pause(out, times) }
