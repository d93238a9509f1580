package egress

import (
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

func TestStatuses(t *testing.T) {
	t.Parallel()
	const moved = ": it redirected to another address, and webhooks are not redirected"
	for _, tt := range []struct {
		status  int
		reason  delivery.Reason
		message string
		pause   time.Duration
	}{
		{200, "", "", 0},
		{201, "", "", 0},
		{202, "", "", 0},
		{204, "", "", 0},
		{299, "", "", 0},
		{101, delivery.ReasonProtocol, "Server answered 101 Switching Protocols", 0},
		{300, delivery.ReasonRedirect, "Server answered 300 Multiple Choices", 0},
		{301, delivery.ReasonRedirect, "Server answered 301 Moved Permanently" + moved, 0},
		{302, delivery.ReasonRedirect, "Server answered 302 Found" + moved, 0},
		{303, delivery.ReasonRedirect, "Server answered 303 See Other" + moved, 0},
		{304, delivery.ReasonRedirect, "Server answered 304 Not Modified", 0},
		{307, delivery.ReasonRedirect, "Server answered 307 Temporary Redirect" + moved, 0},
		{308, delivery.ReasonRedirect, "Server answered 308 Permanent Redirect" + moved, 0},
		{400, delivery.ReasonClientError, "Server answered 400 Bad Request", 0},
		{404, delivery.ReasonClientError, "Server answered 404 Not Found", 0},
		{410, delivery.ReasonGone, "Server answered 410 Gone", 0},
		{429, delivery.ReasonRateLimited, "Server answered 429 Too Many Requests", 7 * time.Second},
		{499, delivery.ReasonClientError, "Server answered 499", 0},
		{500, delivery.ReasonServerError, "Server answered 500 Internal Server Error", 0},
		{503, delivery.ReasonServerError, "Server answered 503 Service Unavailable", 7 * time.Second},
		{599, delivery.ReasonServerError, "Server answered 599", 0},
		{600, delivery.ReasonProtocol, "Server answered 600", 0},
	} {
		out := judge(tt.status, http.Header{"Retry-After": {"7"}}, time.Now())
		if (out.Result == delivery.Succeeded) != (tt.reason == "") || out.Reason != tt.reason ||
			out.Message != tt.message || out.StatusCode != tt.status || out.RetryAfter != tt.pause {
			t.Errorf("judge(%d) = %+v", tt.status, out)
		}
	}
}
