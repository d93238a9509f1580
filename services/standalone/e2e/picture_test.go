package e2e_test

import (
	"fmt"
	"html"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The picture in docs/operating.md: what the dashboard's queries gave, drawn as
// plainly as it can be. make dashboard-picture makes it.

const (
	pictureWidth = 1600
	cell         = pictureWidth / 24
	rowHeight    = 30
)

// draw writes the panels as a picture, by a browser.
func draw(t *testing.T, file string, panels []shownPanel) {
	t.Helper()
	height := 0
	var page strings.Builder
	page.WriteString(`<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#f4f5f7;font:12px Inter,sans-serif;color:#20242c}
div{position:absolute;box-sizing:border-box;background:#fff;border:1px solid #dcdfe4;border-radius:3px;padding:6px 10px;overflow:hidden}
b{font-weight:600} i{font-style:normal;margin-right:10px;white-space:nowrap;font-size:11px} svg{display:block}
p{margin:14px 0 0;font-size:34px;font-weight:600;text-align:center} td{padding:2px 12px 2px 0}
</style>`)
	for _, p := range panels {
		g := p.GridPos
		height = max(height, (g.Y+g.H)*rowHeight)
		fmt.Fprintf(&page, `<div style="left:%dpx;top:%dpx;width:%dpx;height:%dpx"><b>%s</b>`,
			g.X*cell+3, g.Y*rowHeight+3, g.W*cell-6, g.H*rowHeight-6, html.EscapeString(p.Title))
		switch p.Type {
		case "stat":
			points := p.lines[0].points
			fmt.Fprintf(&page, "<p>%s</p>", amount(points[len(points)-1].value, p.FieldConfig.Defaults.Unit))
		case "table":
			page.WriteString("<p style='font-size:16px'>" + html.EscapeString(fmt.Sprint(len(p.lines), " builds")) + "</p>")
		default:
			chart(&page, p, g.W*cell-28, g.H*rowHeight-62)
		}
		page.WriteString("</div>")
	}
	source := filepath.Join(t.TempDir(), "dashboard.html")
	if err := os.WriteFile(source, []byte(page.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), fmt.Sprintf("--window-size=%d,%d", pictureWidth, height+6), "--screenshot="+file, "file://"+source).CombinedOutput()
	if err != nil {
		t.Fatalf("draw: %v\n%s", err, out)
	}
}

// chart draws lines over time, with the greatest value and a legend.
func chart(page *strings.Builder, p shownPanel, width, height int) {
	colours := []string{"#2f6fdb", "#d9822b", "#2e9e5b", "#b23ab0", "#c43d3d", "#5d6b82", "#0f9ba8", "#8a6d1f"}
	first, last, most := math.Inf(1), math.Inf(-1), 0.0
	for _, l := range p.lines {
		for _, at := range l.points {
			first, last, most = min(first, at.at), max(last, at.at), max(most, at.value)
		}
	}
	if most == 0 {
		most = 1
	}
	fmt.Fprintf(page, `<svg width="%d" height="%d"><path d="M0 .5H%[1]dM0 %.1[3]fH%[1]dM0 %.1[4]fH%[1]d" stroke="#e6e8ec" fill="none"/>`,
		width, height+4, float64(height)/2+2, float64(height)+2)
	for i, l := range p.lines {
		var path strings.Builder
		for _, at := range l.points {
			fmt.Fprintf(&path, "%.1f,%.1f ", (at.at-first)/max(last-first, 1)*float64(width), 2+float64(height)*(1-at.value/most))
		}
		fmt.Fprintf(page, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.4"/>`, path.String(), colours[i%len(colours)])
	}
	fmt.Fprintf(page, `<text x="%d" y="12" text-anchor="end" font-size="11" fill="#69707d" stroke="#fff" stroke-width="3" paint-order="stroke">%s</text></svg>`, width, amount(most, p.FieldConfig.Defaults.Unit))
	for i, l := range p.lines {
		fmt.Fprintf(page, `<i><span style="color:%s">—</span> %s</i>`, colours[i%len(colours)], html.EscapeString(l.legend))
	}
}

// amount writes a number in a unit of Grafana's.
func amount(v float64, unit string) string {
	switch {
	case unit == "percentunit":
		return fmt.Sprintf("%.4g %%", v*100)
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.3g ms", v*1000)
	case unit == "s":
		return fmt.Sprintf("%.3g s", v)
	case unit == "cps" || unit == "reqps":
		return fmt.Sprintf("%.3g /s", v)
	default:
		return fmt.Sprintf("%.4g", v)
	}
}
