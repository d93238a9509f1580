package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// prometheus is a real one, of the system's packages, that scrapes a system
// every second and evaluates the shipped rules.
type prometheus struct {
	base string
}

// startPrometheus runs one until the test ends.
func startPrometheus(t *testing.T, s *system) *prometheus {
	t.Helper()
	rules, err := filepath.Abs(repository("deploy", "prometheus", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	targets := func(processes ...*process) string {
		var list []string
		for _, p := range processes {
			list = append(list, strings.TrimPrefix(operators(t, p), "http://"))
		}
		return strings.Join(list, ", ")
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ["%s/*.yml"]
scrape_configs:
  - {job_name: config-api, static_configs: [{targets: [%s]}]}
  - {job_name: dispatcher, static_configs: [{targets: [%s]}]}
`, rules, targets(s.api), targets(s.dispatchers...))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("there is no Prometheus: run make needs (%v)", err)
	}
	process := start(t, "prometheus", nil, dir, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.format=json")
	address := process.matching(t, `"msg":"Listening on","address":"?([0-9.:]+)|"address":"([0-9.:]+)".*"msg":"Listening on"`)
	p := &prometheus{base: "http://" + address}
	await(t, "Prometheus is not ready", func() error {
		status, text, err := get(p.base + "/-/ready")
		if err == nil && status != http.StatusOK {
			err = errors.New(text)
		}
		return err
	})
	return p
}

// sample is a series with its values over time.
type sample struct {
	Metric map[string]string
	Values [][2]any // Unix seconds, and the number as text
}

// ask asks the query API and decodes its data.
func (p *prometheus) ask(path string, query url.Values, into any) error {
	status, text, err := get(p.base + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return fmt.Errorf("%d %s: %w", status, text, err)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// over returns what a query gives over a period, by the second.
func (p *prometheus) over(expr string, from, to time.Time) ([]sample, error) {
	var data struct{ Result []sample }
	err := p.ask("/api/v1/query_range", url.Values{
		"query": {expr}, "step": {"1"},
		"start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())},
	}, &data)
	return data.Result, err
}

// number returns what a query for one number gives now, and an error when it
// gives none.
func (p *prometheus) number(expr string) (float64, error) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.ask("/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		return 0, err
	}
	if len(data.Result) != 1 {
		return 0, fmt.Errorf("%d results", len(data.Result))
	}
	var n float64
	_, err := fmt.Sscan(fmt.Sprint(data.Result[0].Value[1]), &n)
	return n, err
}

// troubles returns the rules that cannot be evaluated, and the alerts that
// fire.
func (p *prometheus) troubles() ([]string, error) {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError, State string }
		}
	}
	if err := p.ask("/api/v1/rules", nil, &data); err != nil {
		return nil, err
	}
	rules := 0
	var troubles []string
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			rules++
			if rule.Health != "ok" || rule.State == "firing" {
				troubles = append(troubles, fmt.Sprintf("%s: %s %s %s", rule.Name, rule.Health, rule.State, rule.LastError))
			}
		}
	}
	if rules < 25 {
		troubles = append(troubles, fmt.Sprintf("only %d rules", rules))
	}
	slices.Sort(troubles)
	return troubles, nil
}
