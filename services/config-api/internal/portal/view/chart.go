package view

import (
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// The chart's measures, in the units of its view box.
const (
	chartBar    = 8
	chartGap    = 2
	chartHeight = 40
	chartLeast  = 3 // of what is not nothing
)

// Chart is the small chart of the last 24 hours, drawn as SVG on the server.
type Chart struct {
	Width, Height int
	Bars          []Bar
	Summary       string // the same in words
	Empty         bool
}

// Bar is one hour of a chart.
type Bar struct {
	X, Width int
	Sent     Span
	Failed   Span
	Label    string // "14:00: 50 sent, 2 failed"
}

// Span is a part of a bar, from above.
type Span struct{ Y, Height int }

// ChartOf draws hours, oldest first. Requests that failed stand on those that
// were sent; deliveries that were skipped are not drawn.
func ChartOf(hours []store.HourStats, zone *time.Location) Chart {
	var most, sent, failed int64
	for _, h := range hours {
		most = max(most, h.Succeeded+h.Failed)
		sent, failed = sent+h.Succeeded, failed+h.Failed
	}
	c := Chart{Width: max(0, len(hours)*(chartBar+chartGap)-chartGap), Height: chartHeight, Empty: most == 0}
	for i, h := range hours {
		bar := Bar{X: i * (chartBar + chartGap), Width: chartBar, Label: hourLabel(h, zone)}
		below := barHeight(h.Succeeded, most)
		above := min(barHeight(h.Failed, most), chartHeight)
		below = min(below, chartHeight-above)
		bar.Sent = Span{Y: chartHeight - below, Height: below}
		bar.Failed = Span{Y: chartHeight - below - above, Height: above}
		c.Bars = append(c.Bars, bar)
	}
	c.Summary = "Nothing sent in the last 24 hours"
	switch {
	case sent > 0 && failed > 0:
		c.Summary = Count(sent) + " sent, " + Count(failed) + " failed in 24 hours"
	case failed > 0:
		c.Summary = Count(failed) + " failed in 24 hours"
	case sent > 0:
		c.Summary = Count(sent) + " sent in 24 hours"
	}
	return c
}

// barHeight returns the height of n when most has the whole: never so small
// that one failure among thousands is not seen.
func barHeight(n, most int64) int {
	if n == 0 || most == 0 {
		return 0
	}
	return max(chartLeast, int(n*chartHeight/most))
}

func hourLabel(h store.HourStats, zone *time.Location) string {
	label := h.Start.In(zone).Format("15:04") + ": "
	switch {
	case h.Succeeded+h.Failed == 0:
		return label + "nothing sent"
	case h.Failed == 0:
		return label + Count(h.Succeeded) + " sent"
	default:
		return label + Count(h.Succeeded) + " sent, " + Count(h.Failed) + " failed"
	}
}
