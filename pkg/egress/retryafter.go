package egress

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// retryAfter reads a Retry-After header: seconds or an HTTP date (RFC 9110,
// section 10.2.3). It returns a pause between 0 and delivery.MaxRetryAfter, 0
// for what cannot be read.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(delivery.MaxRetryAfter/time.Second) {
			return delivery.MaxRetryAfter // digits that do not fit are many seconds
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), delivery.MaxRetryAfter)
}
