package event

import (
	"bytes"
	"strings"
	"time"
)

// maxDecimals is how many decimals of a second a time.Time holds.
const maxDecimals = 9

// parseTimestamp reads a time in RFC 3339 and returns it in UTC, and the same
// as a text ending in Z with the decimals that were given: text itself when it is
// that.
func parseTimestamp(text []byte) (at time.Time, utc []byte, ok bool) {
	at, ok = parseTime(string(text))
	if !ok {
		return time.Time{}, nil, false
	}
	_, decimals, zone := splitTime(string(text))
	if len(decimals) > len(".")+maxDecimals {
		return time.Time{}, nil, false
	}
	if zone == "Z" && bytes.IndexByte(text, 'T') >= 0 {
		return at, text, true
	}
	return at, append(at.AppendFormat(nil, "2006-01-02T15:04:05"), decimals+"Z"...), true
}

// parseTime reads a time in RFC 3339, its letters in either case, as a time in
// UTC. A leap second is refused: neither Go nor JavaScript can hold it.
func parseTime(text string) (time.Time, bool) {
	text = strings.ToUpper(text)
	// time.Parse knows the calendar, but takes one digit of hour, a comma before
	// the decimals and an offset of days.
	clock, decimals, zone := splitTime(text)
	if !shaped(clock, "0000-00-00T00:00:00") || decimals == "." || !isZone(zone) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, false
	}
	at = at.UTC()
	return at, at.Year() >= 0 && at.Year() <= 9999
}

// splitTime cuts a time after its seconds, and after the decimals that follow
// with their point. The decimals are "" when there are none.
func splitTime(text string) (clock, decimals, zone string) {
	n := min(len(text), len("2006-01-02T15:04:05"))
	clock, zone = text[:n], text[n:]
	if zone == "" || zone[0] != '.' {
		return clock, "", zone
	}
	end := 1
	for end < len(zone) && isDigit(zone[end]) {
		end++
	}
	return clock, zone[:end], zone[end:]
}

func isZone(zone string) bool {
	if zone == "Z" {
		return true
	}
	return (shaped(zone, "+00:00") || shaped(zone, "-00:00")) && zone[1:3] < "24" && zone[4] < '6'
}

// shaped reports whether text has a digit wherever pattern has a 0, and is the
// same elsewhere.
func shaped(text, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i := range len(text) {
		if pattern[i] == '0' && !isDigit(text[i]) || pattern[i] != '0' && text[i] != pattern[i] {
			return false
		}
	}
	return true
}
