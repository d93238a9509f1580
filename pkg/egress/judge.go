package egress

import (
	"fmt"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// judge returns the outcome that a status means, without the answer's body.
func judge(status int, header http.Header, now time.Time) delivery.Outcome {
	out := delivery.Outcome{StatusCode: status}
	if status >= 200 && status <= 299 {
		out.Result = delivery.Succeeded
		return out
	}
	out.Result = delivery.Failed
	out.Reason = statusReason(status)
	out.Message = statusMessage(status)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		out.RetryAfter = retryAfter(header.Values("Retry-After"), now)
	}
	return out
}

func statusReason(status int) delivery.Reason {
	switch {
	case status == http.StatusGone:
		return delivery.ReasonGone
	case status == http.StatusTooManyRequests:
		return delivery.ReasonRateLimited
	case status >= 300 && status <= 399:
		return delivery.ReasonRedirect
	case status >= 400 && status <= 499:
		return delivery.ReasonClientError
	case status >= 500 && status <= 599:
		return delivery.ReasonServerError
	default:
		return delivery.ReasonProtocol
	}
}

func statusMessage(status int) string {
	message := fmt.Sprintf("Server answered %d", status)
	if text := http.StatusText(status); text != "" {
		message += " " + text
	}
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		message += ": it redirected to another address, and webhooks are not redirected"
	}
	return message
}
