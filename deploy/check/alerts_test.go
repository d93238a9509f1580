package check_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

// Every alert says what to do in a runbook of its name, and is tried; every
// runbook has its alert.
func TestAlertsHaveRunbooksAndTests(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := sigsyaml.Unmarshal([]byte(read(t, root(t, "deploy", "prometheus", "rules", "alerts.yml"))), &rules); err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(root(t, "deploy", "prometheus", "tests", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tried := ""
	for _, file := range tests {
		tried += read(t, file)
	}
	index := read(t, root(t, "docs", "runbooks", "README.md"))
	var alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
			book := "docs/runbooks/" + rule.Alert + ".md"
			if rule.Annotations["runbook_url"] != book || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s has the annotations %v", rule.Alert, rule.Annotations)
			}
			severity := rule.Labels["severity"]
			wakes := map[string]string{"page": "yes", "ticket": "no"}[severity]
			if wakes == "" || !strings.Contains(index, "["+rule.Alert+"]("+rule.Alert+".md) | "+wakes+" |") {
				t.Errorf("%s has the severity %q, and docs/runbooks/README.md says something else", rule.Alert, severity)
			}
			text := read(t, root(t, book))
			for _, part := range []string{"# " + rule.Alert + "\n", "\n## What it means\n", "\n## Where to look\n", "\n## What to do\n"} {
				if !strings.Contains(text, part) {
					t.Errorf("%s lacks %q", book, strings.TrimSpace(part))
				}
			}
			firing := `ALERTS{alertname="` + rule.Alert + `", alertstate="firing"}`
			if !strings.Contains(tried, firing) || !silentAndLoud(tried, firing) {
				t.Errorf("%s is not tried both silent and firing", rule.Alert)
			}
		}
	}
	books, err := filepath.Glob(root(t, "docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, book := range books {
		if name := strings.TrimSuffix(filepath.Base(book), ".md"); name != "README" && !slices.Contains(alerts, name) {
			t.Errorf("%s is the runbook of no alert", name)
		}
	}
}

func silentAndLoud(tests, expr string) bool {
	silent, loud := false, false
	for line := range strings.Lines(tests) {
		if strings.Contains(line, expr) {
			silent = silent || strings.Contains(line, "exp_samples: []")
			loud = loud || strings.Contains(line, "value: 1")
		}
	}
	return silent && loud
}
