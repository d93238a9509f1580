package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/load"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// documented is a row of the table in docs/metrics.md.
type documented struct {
	kind, service, help string
	labels              []string
}

// repository returns the path of a file of the repository.
func repository(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", ".."}, elements...)...)
}

// metricsTable reads docs/metrics.md: the metrics by name, and the values that
// each label may have.
func metricsTable(t *testing.T) (metrics map[string]documented, labels map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(repository("docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]*)`")
	code := func(cell string) []string {
		var all []string
		for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
			all = append(all, m[1])
		}
		return all
	}
	metrics, labels = map[string]documented{}, map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		first := code(cells[0])
		switch {
		case len(first) == 0:
		case len(cells) == 5:
			metrics[first[0]] = documented{kind: cells[1], labels: code(cells[2]), service: cells[3], help: cells[4]}
		case len(cells) == 2:
			for _, label := range first {
				labels[label] = code(cells[1])
			}
		}
	}
	if len(metrics) < 40 || len(labels) < 15 {
		t.Fatalf("docs/metrics.md has %d metrics and %d labels", len(metrics), len(labels))
	}
	return metrics, labels
}

// scrape asks a program for its metrics, those of dialnote's, as a format of
// Prometheus.
func scrape(t *testing.T, base string, format expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", string(format))
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	decoder := expfmt.NewDecoder(res.Body, expfmt.ResponseFormat(res.Header))
	families := map[string]*dto.MetricFamily{}
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(family.GetName(), "dialnote_") {
			families[family.GetName()] = &family
		}
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	s := startSystem(t, 1)
	c := s.client(t)
	s.receiver.Set("/down", receiver.Statuses(http.StatusServiceUnavailable, http.StatusOK))
	l := newLedger(s.receiver, c.create(t, s.receiverURL, "/up", event.CallCompleted), c.create(t, s.receiverURL, "/down", event.CallCompleted))
	api := load.NewAPI(c.base, c.token, 4)
	t.Cleanup(api.Close)
	l.publish(t, 1, 20, 0, api)
	l.settled(t)

	table, labels := metricsTable(t)
	served := map[string]map[string]*dto.MetricFamily{}
	for name, p := range map[string]*process{"config-api": s.api, "dispatcher": s.dispatchers[0]} {
		served[name] = scrape(t, operators(t, p), expfmt.NewFormat(expfmt.TypeProtoDelim))
		for _, family := range served[name] {
			checkMetric(t, name, table, family)
			checkValues(t, labels, family)
		}
		text := scrape(t, operators(t, p), expfmt.NewFormat(expfmt.TypeTextPlain))
		if a, b := slices.Sorted(maps.Keys(text)), slices.Sorted(maps.Keys(served[name])); !slices.Equal(a, b) {
			t.Errorf("%s serves %v as text, and %v as protobuf", name, a, b)
		}
		lint(t, name, text)
	}
	for metric, row := range table {
		for name, families := range served {
			if _, there := families[metric]; !there && (row.service == "both" || row.service == name) {
				t.Errorf("%s does not serve %s, which docs/metrics.md has", name, metric)
			}
		}
	}
}

// checkMetric compares a metric with its row.
func checkMetric(t *testing.T, service string, table map[string]documented, family *dto.MetricFamily) {
	t.Helper()
	row, there := table[family.GetName()]
	if !there {
		t.Errorf("docs/metrics.md lacks %s, a %s: %s", family.GetName(), strings.ToLower(family.GetType().String()), family.GetHelp())
		return
	}
	if row.service != "both" && row.service != service {
		t.Errorf("%s is served by %s, and documented for %s", family.GetName(), service, row.service)
	}
	if kind := strings.ToLower(family.GetType().String()); row.kind != kind || row.help != family.GetHelp() {
		t.Errorf("%s is documented as a %s (%s), and is a %s (%s)", family.GetName(), row.kind, row.help, kind, family.GetHelp())
	}
	want := slices.Sorted(slices.Values(row.labels))
	for _, m := range family.GetMetric() {
		var got []string
		for _, label := range m.GetLabel() {
			got = append(got, label.GetName())
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has the labels %v, and is documented with %v", family.GetName(), got, want)
		}
		if h := m.GetHistogram(); h != nil && (len(h.GetBucket()) == 0 || h.GetSampleCount() > 0 && len(h.GetPositiveSpan()) == 0 && h.GetZeroCount() == 0) {
			t.Errorf("%s has %d classic buckets and %d spans of native ones", family.GetName(), len(h.GetBucket()), len(h.GetPositiveSpan()))
		}
	}
}

// checkValues holds the values of a metric's labels against those documented.
func checkValues(t *testing.T, labels map[string][]string, family *dto.MetricFamily) {
	t.Helper()
	path := regexp.MustCompile(`^(/v1)?/[a-z:/.{}*_-]*$`)
	status := regexp.MustCompile(`^[1-5][0-9][0-9]$`)
	for _, m := range family.GetMetric() {
		for _, label := range m.GetLabel() {
			name, value := label.GetName(), label.GetValue()
			switch name {
			case "version", "commit", "go":
				continue
			case "route":
				if value == "unmatched" || path.MatchString(value) && !strings.Contains(value, organization) {
					continue
				}
			case "status":
				if status.MatchString(value) {
					continue
				}
			}
			if value != "" && !slices.Contains(labels[name], value) || value == "" && name != "reason" {
				t.Errorf("%s has %s=%q, which docs/metrics.md does not have", family.GetName(), name, value)
			}
		}
	}
}

// lint holds the names and the help texts against the conventions of
// Prometheus.
func lint(t *testing.T, service string, families map[string]*dto.MetricFamily) {
	t.Helper()
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s: %s", service, p.Metric, p.Text)
	}
}

// Whatever is asked for, and by whomever: the number of series stays.
func TestRequestsMakeNoSeriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := startStandalone(t, t.TempDir(), privateInstallation())
	ask := func(i int) {
		for _, path := range []string{
			"/v1/organizations/org%d/webhooks", "/v1/organizations/acme/webhooks/wh_%d", "/nothing/%d", "/portal/%d", "/portal/enter?code=%d",
			"/v1/organizations/org%d/webhooks/wh_1/deliveries?after=%[1]d",
		} {
			for _, method := range []string{http.MethodGet, "BREW" + fmt.Sprint(i)} {
				req, err := http.NewRequestWithContext(t.Context(), method, s.client.base+fmt.Sprintf(path, i), nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+s.client.token)
				res, err := httpClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
			}
		}
	}
	count := func() (n int) {
		for _, family := range scrape(t, s.client.base, expfmt.NewFormat(expfmt.TypeTextPlain)) {
			n += len(family.GetMetric())
		}
		return n
	}
	ask(0)
	count() // its own request is a series too
	before := count()
	for i := range 30 {
		ask(i + 1)
	}
	if after := count(); after != before {
		t.Errorf("there were %d series, and there are %d", before, after)
	}
}
