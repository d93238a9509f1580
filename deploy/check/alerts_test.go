package check_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
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

// A runbook names messages of the log as the services write them.
func TestRunbooksQuoteTheLog(t *testing.T) {
	t.Parallel()
	words := regexp.MustCompile("`([a-z]+(?: [a-z]+)+, [a-z ]+)`")
	written := sources(t, "pkg", "services")
	books, err := filepath.Glob(root(t, "docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := 0
	for _, book := range books {
		for _, found := range words.FindAllStringSubmatch(read(t, book), -1) {
			if quoted++; !strings.Contains(written, `"`+found[1]+`"`) {
				t.Errorf("%s quotes %q, which no service logs", filepath.Base(book), found[1])
			}
		}
	}
	if quoted < 3 {
		t.Errorf("%d messages are quoted", quoted)
	}
}

// sources returns the Go code in folders of the repository.
func sources(t *testing.T, folders ...string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(root(t, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				all.WriteString(read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
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
