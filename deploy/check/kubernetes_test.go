package check_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// kubernetes is the version whose schemas objects are checked against: the oldest
// that the chart supports.
const kubernetes = "1.30"

// schemas are Kubernetes' own schemas, of the module kubectl-validate, which
// carries them as files. Its program is not built: it is a whole API server.
type schemas struct {
	dir      string
	compiled map[string]*jsonschema.Schema
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/kubectl-validate").Output()
	if err != nil {
		t.Fatalf("fetch Kubernetes' schemas: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return &schemas{dir: filepath.Join(module.Dir, "pkg", "openapiclient", "builtins", kubernetes), compiled: map[string]*jsonschema.Schema{}}
}

// of returns the schema of an object's kind.
func (s *schemas) of(t *testing.T, o object) *jsonschema.Schema {
	t.Helper()
	group, kind := o.text("apiVersion"), o.kind()
	key := group + "/" + kind
	if known := s.compiled[key]; known != nil {
		return known
	}
	compiler := jsonschema.NewCompiler()
	location, pointer := "testdata/schemas/"+kind+".json", ""
	if !strings.HasPrefix(group, "monitoring.coreos.com/") && !strings.HasPrefix(group, "keda.sh/") {
		location, pointer = filepath.Join(s.dir, "apis", group+".json"), "#/components/schemas/"
		if !strings.Contains(group, "/") {
			location = filepath.Join(s.dir, "api", group+".json")
		}
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(read(t, location)), &document); err != nil {
		t.Fatal(err)
	}
	if pointer != "" {
		pointer += definition(t, document, group, kind)
		closed(document)
	}
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	s.compiled[key] = compiled
	return compiled
}

// definition returns the name of a kind's schema.
func definition(t *testing.T, document map[string]any, group, kind string) string {
	t.Helper()
	all, _ := object(document).at("components", "schemas").(map[string]any)
	g, version, found := strings.Cut(group, "/")
	if !found {
		g, version = "", group
	}
	for name, schema := range all {
		kinds, _ := schema.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			if m, _ := k.(map[string]any); m["kind"] == kind && m["group"] == g && m["version"] == version {
				return name
			}
		}
	}
	t.Fatalf("Kubernetes %s knows no %s %s", kubernetes, group, kind)
	return ""
}

// closed makes every schema refuse fields that it does not know, as the API
// server does when it is asked to be strict.
func closed(node any) {
	switch n := node.(type) {
	case map[string]any:
		_, named := n["properties"].(map[string]any)
		_, open := n["additionalProperties"]
		if n["type"] == "object" && named && !open {
			n["additionalProperties"] = false
		}
		for _, child := range n {
			closed(child)
		}
	case []any:
		for _, child := range n {
			closed(child)
		}
	}
}

// plain returns the object as encoding/json reads it, which is what the
// validator takes.
func plain(t *testing.T, o object) any {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestObjectsAreWhatKubernetesTakes(t *testing.T) {
	t.Parallel()
	s := newSchemas(t)
	for _, file := range valueFiles(t) {
		for _, o := range mustRender(t, file) {
			if err := s.of(t, o).Validate(plain(t, o)); err != nil {
				t.Errorf("%s: %s %s: %v", filepath.Base(file), o.kind(), o.name(), err)
			}
			if len(o.name()) > 63 {
				t.Errorf("%s: the name of %s %s is too long", filepath.Base(file), o.kind(), o.name())
			}
		}
	}
	// The validator notices what is wrong.
	wrong := one(t, mustRender(t, "testdata/values/default.yaml"), "Deployment", "dialnote-webhooks-dispatcher")
	spec := wrong.at("spec", "template", "spec").(map[string]any)
	for field, value := range map[string]any{"terminationGracePeriod": 45, "containers": "none", "automountServiceAccountToken": "false"} {
		before, there := spec[field]
		spec[field] = value
		if err := s.of(t, wrong).Validate(plain(t, wrong)); err == nil {
			t.Errorf("a Deployment with %s: %v is taken", field, value)
		}
		if delete(spec, field); there {
			spec[field] = before
		}
	}
}

func TestKindsThatAreRendered(t *testing.T) {
	t.Parallel()
	kinds := func(file string) string {
		counts := map[string]int{}
		for _, o := range mustRender(t, file) {
			counts[o.kind()]++
		}
		var list []string
		for kind, n := range counts {
			list = append(list, fmt.Sprintf("%s %d", kind, n))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	for file, want := range map[string]string{
		"small":      "Deployment 2, Service 1, ServiceAccount 1",
		"default":    "Deployment 2, Job 1, NetworkPolicy 3, PodDisruptionBudget 2, Service 1, ServiceAccount 1",
		"hpa":        "Deployment 2, HorizontalPodAutoscaler 1, Job 1, NetworkPolicy 3, PodDisruptionBudget 2, Service 1, ServiceAccount 1",
		"keda":       "Deployment 2, HorizontalPodAutoscaler 1, Job 1, NetworkPolicy 3, PodDisruptionBudget 2, ScaledObject 1, Service 1, ServiceAccount 1",
		"everything": "ConfigMap 1, Deployment 2, Ingress 1, Job 1, NetworkPolicy 3, PodDisruptionBudget 2, PrometheusRule 2, ScaledObject 1, Service 3, ServiceAccount 1, ServiceMonitor 2",
	} {
		if got := kinds("testdata/values/" + file + ".yaml"); got != want {
			t.Errorf("%s: %s; want %s", file, got, want)
		}
	}
}
