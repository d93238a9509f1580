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

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 120 ":                          2 * time.Minute,
		"18000":                          5 * time.Hour,
		"18001":                          5 * time.Hour,
		"99999999999999999999999":        5 * time.Hour,
		"-5":                             0,
		"+5":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Sun, 01 Nov 2026 12:10:00 GMT":  10 * time.Minute,
		"Sun, 01 Nov 2026 11:00:00 GMT":  0,
		"Mon, 01 Nov 2027 12:00:00 GMT":  5 * time.Hour,
		"Sunday, 01-Nov-26 12:10:00 GMT": 10 * time.Minute,
		"Sun Nov  1 12:10:00 2026":       10 * time.Minute,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "9223372036854775807", "9223372037", "Sun, 01 Nov 2026 12:10:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(seed, int64(1793534400))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if d := retryAfter(value, time.Unix(now, 0)); d < 0 || d > delivery.MaxRetryAfter {
			t.Fatalf("retryAfter(%q) = %s", value, d)
		}
	})
}
