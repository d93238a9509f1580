package view

import (
	"strconv"
	"time"
)

// Moment is a point in time as it is shown: relative, with the exact time
// beside it. The zero Moment is no time at all.
type Moment struct {
	ISO      string // for the machine, RFC 3339 in UTC
	Relative string // "3 minutes ago"
	Exact    string // "23 November 2026 at 10:30:05 UTC"
	Short    string // "10:30:05", or "23 Nov 10:30" on another day
}

// Known reports whether there is a time.
func (m Moment) Known() bool { return m.ISO != "" }

// Moment returns t as it is shown, the zero Moment for the zero time.
func (c Clock) Moment(t time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	local := t.In(c.Zone)
	short := local.Format("2 Jan 15:04")
	if sameDay(local, c.Now.In(c.Zone)) {
		short = local.Format("15:04:05")
	}
	return Moment{
		ISO:      t.UTC().Format("2006-01-02T15:04:05.000Z"),
		Relative: relative(t.Sub(c.Now)),
		Exact:    local.Format("2 January 2006 at 15:04:05 MST"),
		Short:    short,
	}
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

// relative writes how far away a time is. The page's script does the same, to
// keep what is shown true.
func relative(d time.Duration) string {
	past := d <= 0
	if past {
		d = -d
	}
	words := distance(d)
	switch {
	case words == "" && past:
		return "just now"
	case words == "":
		return "in a moment"
	case past:
		return words + " ago"
	default:
		return "in " + words
	}
}

// distance writes a duration in its largest fitting unit, "" below 5 seconds.
func distance(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 5*time.Second:
		return ""
	case d < time.Minute:
		return Plural(int64(d/time.Second), "second")
	case d < time.Hour:
		return Plural(int64(d/time.Minute), "minute")
	case d < day:
		return Plural(int64(d/time.Hour), "hour")
	case d < 45*day:
		return Plural(int64(d/day), "day")
	case d < 365*day:
		return Plural(int64(d/(30*day)), "month")
	default:
		return Plural(int64(d/(365*day)), "year")
	}
}

// Countdown writes what is left until t, "" when it has passed: "4 min 12 s".
func (c Clock) Countdown(t time.Time) string {
	left := t.Sub(c.Now).Round(time.Second)
	if left <= 0 {
		return ""
	}
	hours, minutes, seconds := int(left.Hours()), int(left.Minutes())%60, int(left.Seconds())%60
	switch {
	case hours > 0:
		return strconv.Itoa(hours) + " h " + strconv.Itoa(minutes) + " min"
	case minutes > 0:
		return strconv.Itoa(minutes) + " min " + strconv.Itoa(seconds) + " s"
	default:
		return strconv.Itoa(seconds) + " s"
	}
}

// Took writes how long something took: "84 ms", "1.2 s", "30 s".
func Took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	default:
		return strconv.FormatInt(int64(d.Round(time.Second).Seconds()), 10) + " s"
	}
}

// stamp writes a time for a form's hidden field, without losing a part of it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
