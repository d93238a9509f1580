package egress

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// retryAfter reads the Retry-After fields of an answer and returns the longest
// pause that one of them asks for, from 0 to delivery.MaxRetryAfter. What cannot
// be read asks for none.
//
// RFC 9110, section 10.2.3, has one field with whole seconds or an HTTP date. An
// answer may have several all the same, its server's and its proxies', or one in
// which an intermediary has joined them with commas (section 5.3).
func retryAfter(fields []string, now time.Time) time.Duration {
	var longest time.Duration
	for _, field := range fields {
		if at, ok := retryDate(strings.TrimSpace(field)); ok {
			longest = max(longest, at.Sub(now))
			continue
		}
		for value := range strings.SplitSeq(field, ",") {
			longest = max(longest, retrySeconds(strings.TrimSpace(value)))
		}
	}
	return min(longest, delivery.MaxRetryAfter)
}

// retrySeconds returns the time that decimal digits say in seconds, at most
// delivery.MaxRetryAfter, and 0 for anything else. A fraction, which some
// servers send, is rounded up: a receiver is not asked before its time.
func retrySeconds(value string) time.Duration {
	whole, fraction, _ := strings.Cut(value, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt("0"+whole, 10, 64)
	if err != nil || seconds >= int64(delivery.MaxRetryAfter/time.Second) {
		return delivery.MaxRetryAfter // digits that do not fit are many seconds
	}
	if strings.Trim(fraction, "0") != "" {
		seconds++
	}
	return time.Duration(seconds) * time.Second
}

// retryDate reads a date in one of HTTP's three forms (RFC 9110, section 5.6.7),
// or in one that servers send in their place: with a day of one digit, with UTC
// or an offset for GMT, or as RFC 3339 writes it. A zone with another name is
// not read, because names of zones are not unique.
func retryDate(value string) (time.Time, bool) {
	if at, err := http.ParseTime(value); err == nil {
		return at, true
	}
	const day = "Mon, 2 Jan 2006 15:04:05 "
	for _, layout := range [...]string{day + "GMT", day + "UTC", day + "-0700", time.RFC3339} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
