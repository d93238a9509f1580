package check_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/dialnote/webhooks/pkg/cli"
)

func chartDir(t *testing.T) string {
	t.Helper()
	return root(t, "deploy", "helm", "dialnote-webhooks")
}

// object is something in the cluster.
type object map[string]any

// at returns what is at a path of an object, nil for nothing.
func (o object) at(path ...string) any {
	var here any = map[string]any(o)
	for _, p := range path {
		m, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = m[p]
	}
	return here
}

func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

func (o object) kind() string { return o.text("kind") }
func (o object) name() string { return o.text("metadata", "name") }

// values reads a file of testdata/values.
func values(t *testing.T, file string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := sigsyaml.Unmarshal([]byte(read(t, file)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func valueFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "values", "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files of values, %v", len(files), err)
	}
	return files
}

// render renders the chart as helm install does.
func render(t *testing.T, v map[string]any) ([]object, error) {
	t.Helper()
	chart, err := loader.LoadDir(chartDir(t))
	if err != nil {
		t.Fatal(err)
	}
	options := common.ReleaseOptions{Name: "dialnote-webhooks", Namespace: "webhooks", Revision: 1, IsInstall: true}
	given, err := util.ToRenderValues(chart, v, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	texts, err := new(engine.Engine).RenderWithContext(t.Context(), chart, given)
	if err != nil {
		return nil, err
	}
	var objects []object
	for name, text := range texts {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
		for {
			var o object
			if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
			if len(o) > 0 {
				objects = append(objects, o)
			}
		}
	}
	slices.SortFunc(objects, func(a, b object) int {
		return strings.Compare(a.kind()+a.name(), b.kind()+b.name())
	})
	return objects, nil
}

func mustRender(t *testing.T, file string) []object {
	t.Helper()
	objects, err := render(t, values(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func one(t *testing.T, objects []object, kind, name string) object {
	t.Helper()
	at := slices.IndexFunc(objects, func(o object) bool { return o.kind() == kind && o.name() == name })
	if at < 0 {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return objects[at]
}

func TestChartIsLinted(t *testing.T) {
	t.Parallel()
	for _, file := range valueFiles(t) {
		result := lint.RunAll(chartDir(t), values(t, file), "webhooks")
		for _, m := range result.Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", filepath.Base(file), m)
			}
		}
	}
}

// What is wrong is said before anything is installed.
func TestSchemaOfValues(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a misspelt value":              "configAPI: {replicas: 2}",
		"a misspelt value inside":       "dispatcher: {replica: 2}",
		"a number as a setting":         "settings: {MAX_IN_FLIGHT: 512}",
		"a setting with its prefix":     "settings: {DIALNOTE_x: '1'}",
		"a secret among the settings":   "settings: {DATABASE_URL: postgres://u:p@h/d}",
		"a token among the settings":    "configApi: {settings: {API_TOKENS: 'a:b'}}",
		"a secret without its key":      "database: {urlSecret: {name: x, key: ''}}",
		"an unknown autoscaler":         "dispatcher: {autoscaling: {kind: vpa}}",
		"databases everywhere":          "networkPolicy: {database: {to: [], port: 5432}}",
		"a NATS URL that is none":       "nats: {url: 'http://nats:4222'}",
		"a range that is none":          "networkPolicy: {internet: {clusterRangesIPv4: [10.0.0.1]}}",
		"a memory limit Go cannot read": "dispatcher: {goMemLimit: 460Mi}",
	} {
		v := map[string]any{}
		if err := sigsyaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if _, err := render(t, v); err == nil {
			t.Errorf("%s is taken: %s", name, text)
		}
	}
}

// The rules and the dashboard in the chart are those of their folders: links,
// so that there is one of each.
func TestChartTakesRulesAndDashboardFromTheirFolders(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{"rules": "../../prometheus/rules", "dashboards": "../../grafana/dashboards"} {
		if got, err := os.Readlink(filepath.Join(chartDir(t), link)); err != nil || got != want {
			t.Errorf("%s leads to %q, %v", link, got, err)
		}
	}
	objects := mustRender(t, "testdata/values/everything.yaml")
	rules, err := sigsyaml.Marshal(one(t, objects, "PrometheusRule", "dialnote-webhooks-alerts").at("spec"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"alert: ManyOrganizationsUnreachable", "runbook_url: https://runbooks.example.com/NotReady.md", "{{ $labels.instance }}"} {
		if !strings.Contains(string(rules), want) {
			t.Errorf("the rules lack %q", want)
		}
	}
	if data := one(t, objects, "ConfigMap", "dialnote-webhooks-dashboard").text("data", "dialnote-webhooks.json"); data != read(t, root(t, "deploy", "grafana", "dashboards", "dialnote-webhooks.json")) {
		t.Error("the dashboard is another one")
	}
}

// One version stands in several places; a release changes them together.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	version := cli.Version()
	chart, err := loader.LoadDir(chartDir(t))
	if err != nil {
		t.Fatal(err)
	}
	if chart.Metadata.AppVersion != version || chart.Metadata.Version != version {
		t.Errorf("the chart is %s for %s, and the program %s", chart.Metadata.Version, chart.Metadata.AppVersion, version)
	}
	p, err := project(t, demoEnv(t), "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Services {
		if s.Build != nil && !strings.HasSuffix(s.Image, ":"+version) {
			t.Errorf("compose names %s, and the program is %s", s.Image, version)
		}
	}
	if text := read(t, root(t, "CHANGELOG.md")); !strings.Contains(text, version) {
		t.Errorf("CHANGELOG.md does not mention %s", version)
	}
}
