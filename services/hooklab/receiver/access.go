package receiver

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// AccessLog returns a function for Options.Each that writes a line for every
// request, for a terminal. ✓ is verified, ✗ a wrong or missing signature, · a path
// whose secret is not known:
//
//	14:03:07.112 ✓ call.completed       evt_01JDBQ3X5R  /ok/crm → 200
//	14:03:07.340 ✗ note.created         evt_01JDBQ3X9T  /ok/notes → 200  webhook-signature wrong
//	14:03:18.002 ✓ call.completed       evt_01JDBQ3X5R  /status/503 → 503  attempt 2
func AccessLog(w io.Writer) func(Request) {
	var mu sync.Mutex
	return func(r Request) {
		line := accessLine(r)
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, line) // a watcher who left must not stop the receiver
	}
}

// JSONLines returns a function for Options.Each that writes every request as a
// line of JSON.
func JSONLines(w io.Writer) func(Request) {
	var mu sync.Mutex
	encoder := json.NewEncoder(w)
	return func(r Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = encoder.Encode(r) // as AccessLog
	}
}

func accessLine(r Request) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %-20s %s  %s → %s", r.At.Format("15:04:05.000"), mark(r),
		printable(cmp.Or(r.EventType, r.Method)), printable(cmp.Or(r.EventID, "-")), printable(r.Path), answered(r.Status))
	if r.Attempt > 1 {
		fmt.Fprintf(&line, "  attempt %d", r.Attempt)
	}
	if bad := complaint(r); bad != "" {
		line.WriteString("  " + bad)
	}
	line.WriteByte('\n')
	return line.String()
}

func mark(r Request) string {
	switch {
	case r.DialNote == Verified && r.Standard == Verified:
		return "✓"
	case r.DialNote == Unverified && r.Standard == Unverified:
		return "·"
	default:
		return "✗"
	}
}

func complaint(r Request) string {
	switch {
	case r.DialNote == Wrong || r.DialNote == Absent:
		return "X-DialNote-Signature " + string(r.DialNote)
	case r.Standard == Wrong || r.Standard == Absent:
		return "webhook-signature " + string(r.Standard)
	default:
		return ""
	}
}

func answered(status int) string {
	if status == 0 {
		return "no answer"
	}
	return strconv.Itoa(status)
}

// printable returns untrusted text with anything escaped that could move a
// terminal's cursor.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
