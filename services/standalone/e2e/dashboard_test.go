package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
)

// dashboard is what of Grafana's form a test looks at.
type dashboard struct{ Panels []panel }

type panel struct {
	Title, Type, Description string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ Expr, LegendFormat string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(repository("deploy", "grafana", "dashboards", "dialnote-webhooks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 20 {
		t.Fatalf("the dashboard has %d panels", len(d.Panels))
	}
	return d
}

// Whatever names a metric names one of docs/metrics.md, or a rule that was made
// of them.
func TestQueriesNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	table, _ := metricsTable(t)
	files, err := filepath.Glob(repository("docs", "runbooks", "*.md"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d runbooks (%v)", len(files), err)
	}
	files = append(files, repository("deploy", "prometheus", "rules", "alerts.yml"), repository("deploy", "prometheus", "rules", "recording.yml"),
		repository("deploy", "grafana", "dashboards", "dialnote-webhooks.json"), repository("docs", "operating.md"))
	recorded := map[string]bool{}
	rules, err := os.ReadFile(repository("deploy", "prometheus", "rules", "recording.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllStringSubmatch(string(rules), -1) {
		recorded[m[1]] = true
	}
	named := regexp.MustCompile(`\bdialnote[_:][a-z0-9_:]+`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			_, known := table[name]
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if base, is := strings.CutSuffix(name, part); is && table[base].kind == "histogram" {
					known = true
				}
			}
			if !known && !recorded[name] {
				t.Errorf("%s names %s, which does not exist", filepath.Base(file), name)
			}
		}
	}
}

// The commands that a runbook asks for at night are there.
func TestCommandsOfTheRunbooksExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(repository("docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile("(?m)(?:^|`|/)(config-api|dispatcher) ([a-z]+(?: (?:list|show|requeue|disable|enable))?)\\b([^`\n]*)")
	tried := map[string]bool{}
	for _, file := range append(files, repository("docs", "operating.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range called.FindAllStringSubmatch(string(text), -1) {
			call := append([]string{filepath.Join(bin, m[1])}, strings.Fields(m[2])...)
			help, err := exec.CommandContext(t.Context(), call[0], append(call[1:], "-h")...).CombinedOutput()
			if err != nil {
				t.Errorf("%s calls %s %s: %v\n%s", filepath.Base(file), m[1], m[2], err, help)
			}
			for _, flag := range regexp.MustCompile(` (-[a-z-]+)`).FindAllStringSubmatch(m[3], -1) {
				if !strings.Contains(string(help), flag[1]) {
					t.Errorf("%s calls %s %s with %s, which it does not have", filepath.Base(file), m[1], m[2], flag[1])
				}
			}
			tried[m[1]+" "+m[2]] = true
		}
	}
	if len(tried) < 6 {
		t.Errorf("only %v were found", tried)
	}
}

// period is how long the system is watched; a picture wants more.
func period(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("DASHBOARD_SECONDS"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(seconds) * time.Second
	}
	return 12 * time.Second
}

// A real Prometheus scrapes a system at work and evaluates the shipped rules:
// each of the dashboard's queries has a result, each rule can be evaluated, and no
// alert fires.
func TestTheDashboardShowsASystemAtWork(t *testing.T) {
	t.Parallel()
	s := newSystem(t, pgtest.Schema(t))
	s.with(map[string]string{"RETRY_SCHEDULE": "2s,4s,8s"})
	s.run(t, 2)
	c := s.client(t)
	organizations := []string{"acme", "umbrella", "initech", "hooli", "globex", "stark"}
	for i, organization := range organizations {
		create := func(url string, kind event.Type) {
			c.call(t, http.MethodPost, organization+"/webhooks", map[string]string{
				"name": "To " + url, "provider": "custom", "url": url, "event": string(kind),
			}, http.StatusCreated, nil)
		}
		create(s.receiverURL+"/delay/20ms/"+organization, event.CallCompleted)
		create(s.receiverURL+"/ok/"+organization, event.RecordingCompleted)
		switch i {
		case 0:
			create("http://127.0.0.1:1024/nothing-listens-here", event.NoteCreated)
		case 1:
			create(s.receiverURL+"/flaky/0.05?seed=1", event.CallCompleted)
		case 2:
			create(s.receiverURL+"/status/404", event.NoteCreated)
		}
	}
	p := startPrometheus(t, s)
	began, length := time.Now(), period(t)
	load := start(t, "hooklab", nil, t.TempDir(), "hooklab", "load", "-api", c.base, "-token", c.token, "-org", strings.Join(organizations, ","),
		"-rate", "150", "-count", fmt.Sprint(int(150*length.Seconds())))
	select {
	case <-load.ended:
	case <-time.After(length + patience):
		t.Fatal("the load has not ended")
	}
	await(t, "Prometheus has too little to tell rates from", func() error {
		n, err := p.number(`min(count_over_time(up[` + fmt.Sprint(2*int(length.Seconds())) + `s]))`)
		if err == nil && n < 8 {
			err = fmt.Errorf("only %v scrapes", n)
		}
		return err
	})
	var shown []shownPanel
	for _, panel := range readDashboard(t).Panels {
		shown = append(shown, show(t, p, panel, began))
	}
	if troubles, err := p.troubles(); err != nil || len(troubles) > 0 {
		t.Errorf("the rules: %v, %v", troubles, err)
	}
	await(t, "what was published", func() error {
		n, err := p.number(`max(dialnote_stream_stored_total{stream="DIALNOTE_EVENTS"})`)
		if err == nil && n != 150*length.Seconds() {
			err = fmt.Errorf("%v events", n)
		}
		return err
	})
	if file := os.Getenv("DASHBOARD_PICTURE"); file != "" {
		draw(t, file, shown)
	}
}

// shownPanel is a panel with what its queries gave.
type shownPanel struct {
	panel

	lines []line
}

type line struct {
	legend string
	points []point
}

type point struct{ at, value float64 }

// show asks each query of a panel as Grafana would.
func show(t *testing.T, p *prometheus, panel panel, from time.Time) shownPanel {
	t.Helper()
	shown := shownPanel{panel: panel}
	for _, target := range panel.Targets {
		expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5s")
		samples, err := p.over(expr, from, time.Now())
		if err != nil {
			t.Errorf("%s: %s: %v", panel.Title, expr, err)
		}
		for _, s := range samples {
			l := line{legend: legend(target.LegendFormat, s.Metric)}
			for _, v := range s.Values {
				at, _ := v[0].(float64)
				text, _ := v[1].(string)
				if value, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(value) { // NaN: nothing happened
					l.points = append(l.points, point{at, value})
				}
			}
			if len(l.points) > 0 {
				shown.lines = append(shown.lines, l)
			}
		}
	}
	if len(shown.lines) == 0 {
		t.Errorf("%s shows nothing: %v", panel.Title, panel.Targets)
	}
	slices.SortStableFunc(shown.lines, func(a, b line) int { return strings.Compare(a.legend, b.legend) })
	return shown
}

// legend fills a pattern like {{reason}} with the labels of a series.
func legend(pattern string, labels map[string]string) string {
	return regexp.MustCompile(`{{\s*(\w+)\s*}}`).ReplaceAllStringFunc(pattern, func(m string) string {
		return labels[strings.Trim(m, "{} ")]
	})
}
