package view

import (
	"strconv"
	"strings"

	"github.com/dialnote/webhooks/pkg/store"
)

// The chart's measures, in the units of its view box.
const (
	chartBar    = 8
	chartGap    = 2
	chartHeight = 40
	chartLeast  = 3 // of what is not nothing
)

// Chart is the small chart of the last 24 hours, drawn as SVG on the server: as
// few shapes as can be, for a page has up to a hundred of them.
type Chart struct {
	Width, Height int
	Sent          string // the outline of all bars of what was sent, without gaps
	Failed        string // a line for each bar of what failed, as wide as a bar
	Summary       string // the same in words
	Empty         bool
}

// ChartOf draws hours, oldest first. Requests that failed stand on those that
// were sent; deliveries that were skipped are not drawn.
func ChartOf(hours []store.HourStats) Chart {
	var most, sent, failed int64
	for _, h := range hours {
		most = max(most, h.Succeeded+h.Failed)
		sent, failed = sent+h.Succeeded, failed+h.Failed
	}
	c := Chart{Width: max(0, len(hours)*(chartBar+chartGap)-chartGap), Height: chartHeight, Empty: most == 0}
	if !c.Empty {
		c.Sent, c.Failed = bars(hours, most)
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

// bars returns the paths of the bars. What was sent is one outline that goes up
// and down, and so has no words but the heights; the gaps between the hours are
// drawn over it, and over the middle of each the outline goes up or down.
func bars(hours []store.HourStats, most int64) (sent, failed string) {
	var below, above strings.Builder
	below.WriteString("M0 " + strconv.Itoa(chartHeight))
	for i, h := range hours {
		x := i * (chartBar + chartGap)
		fails := barHeight(h.Failed, most)
		top := chartHeight - min(barHeight(h.Succeeded, most), chartHeight-fails)
		width := chartBar + chartGap
		if i == 0 {
			width -= chartGap / 2
		}
		below.WriteString("V" + strconv.Itoa(top) + "h" + strconv.Itoa(width))
		if fails > 0 {
			above.WriteString("M" + strconv.Itoa(x+chartBar/2) + " " + strconv.Itoa(top) + "v-" + strconv.Itoa(fails))
		}
	}
	below.WriteString("V" + strconv.Itoa(chartHeight) + "z")
	return below.String(), above.String()
}

// barHeight returns the height of n when most has the whole: never so small
// that one failure among thousands is not seen.
func barHeight(n, most int64) int {
	if n == 0 || most == 0 {
		return 0
	}
	return max(chartLeast, int(n*chartHeight/most))
}
