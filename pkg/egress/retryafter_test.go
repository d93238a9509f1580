package egress

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":      0,
		"0":     0,
		"1":     time.Second,
		"007":   7 * time.Second,
		"120":   2 * time.Minute,
		" 120 ": 2 * time.Minute,
		"\t9":   9 * time.Second,

		// Fractions are rounded up.
		"90.5":        91 * time.Second,
		"90.0":        90 * time.Second,
		"90.":         90 * time.Second,
		"90.00000001": 91 * time.Second,
		"0.1":         time.Second,
		".5":          time.Second,
		"1.5":         2 * time.Second,
		"17999.01":    5 * time.Hour,

		// At most five hours.
		"17999":                        5*time.Hour - time.Second,
		"18000":                        5 * time.Hour,
		"18000.5":                      5 * time.Hour,
		"18001":                        5 * time.Hour,
		"1793534400":                   5 * time.Hour, // seconds of an epoch are many seconds
		"9223372036854775807":          5 * time.Hour,
		"9223372036854775808":          5 * time.Hour,
		"99999999999999999999999":      5 * time.Hour,
		"99999999999999999999999.5":    5 * time.Hour,
		strings.Repeat("9", 4000):      5 * time.Hour,
		"0." + strings.Repeat("0", 99): 0,

		// Fields that were joined; a decimal comma reads as its whole seconds.
		"90, 120": 2 * time.Minute,
		"120,90":  2 * time.Minute,
		"90,5":    90 * time.Second,
		"90,soon": 90 * time.Second,
		", ,5,":   5 * time.Second,

		// No seconds.
		"-5":         0,
		"-0.5":       0,
		"+5":         0,
		"1e3":        0,
		"0x10":       0,
		"1_000":      0,
		"1.2.3":      0,
		".":          0,
		"9 0":        0,
		"90s":        0,
		"90 seconds": 0,
		"\"90\"":     0,
		"Inf":        0,
		"NaN":        0,
		"٩٠":         0,
		"soon":       0,

		// The three forms of a date, and those in use beside them.
		"Sun, 01 Nov 2026 12:10:00 GMT":   10 * time.Minute,
		"Sun, 01 Nov 2026 12:00:00 GMT":   0,
		"Sun, 01 Nov 2026 11:00:00 GMT":   0,
		"Mon, 01 Nov 2027 12:00:00 GMT":   5 * time.Hour,
		"Fri, 31 Dec 9999 23:59:59 GMT":   5 * time.Hour,
		"Mon, 01 Jan 0001 00:00:00 GMT":   0,
		"Sunday, 01-Nov-26 12:10:00 GMT":  10 * time.Minute,
		"Sun Nov  1 12:10:00 2026":        10 * time.Minute,
		" Sun, 01 Nov 2026 12:10:00 GMT ": 10 * time.Minute,
		"Sun, 1 Nov 2026 12:10:00 GMT":    10 * time.Minute,
		"Sun, 01 Nov 2026 12:10:00 UTC":   10 * time.Minute,
		"Sun, 01 Nov 2026 13:10:00 +0100": 10 * time.Minute,
		"2026-11-01T12:10:00Z":            10 * time.Minute,
		"2026-11-01T07:10:00.5-05:00":     10*time.Minute + 500*time.Millisecond,
		"Sun, 01 Nov 2026 12:10:00 EST":   0,
		"Sun, 01 Nov 2026 12:10:00":       0,
		"Sun, 32 Nov 2026 12:10:00 GMT":   0,
		"01 Nov 2026 12:10:00 GMT":        0,
		"2026-11-01":                      0,
		"tomorrow, 12:10":                 0,
	} {
		if got := retryAfter([]string{value}, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
	for name, tt := range map[string]struct {
		fields []string
		want   time.Duration
	}{
		"none":                   {nil, 0},
		"the second is longer":   {[]string{"5", "60"}, time.Minute},
		"the first is longer":    {[]string{"60", "5"}, time.Minute},
		"one cannot be read":     {[]string{"soon", "5"}, 5 * time.Second},
		"a date and seconds":     {[]string{"Sun, 01 Nov 2026 12:10:00 GMT", "5"}, 10 * time.Minute},
		"a past date and second": {[]string{"Sun, 01 Nov 2026 11:10:00 GMT", "5"}, 5 * time.Second},
	} {
		if got := retryAfter(tt.fields, now); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestRetryAfterOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Retry-After"] = []string{"30", "90.5"}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "busy")
	})
	out := client(t, nil).Send(t.Context(), post(s.URL))
	want(t, out, delivery.ReasonServerError, "Server answered 503 Service Unavailable")
	if out.RetryAfter != 91*time.Second {
		t.Errorf("a pause of %s", out.RetryAfter)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "90.5", "5, 7", "9223372036854775807", "9223372037", "Sun, 01 Nov 2026 12:10:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "2026-11-01T12:10:00Z"} {
		f.Add(seed, int64(1793534400))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if d := retryAfter([]string{value}, time.Unix(now, 0)); d < 0 || d > delivery.MaxRetryAfter {
			t.Fatalf("retryAfter(%q) = %s", value, d)
		}
	})
}
