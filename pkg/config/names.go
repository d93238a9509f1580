package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// foreign matches the names, without the prefix, of variables with our prefix that
// are not ours to judge: those of deploy/nats, which an .env file has beside the
// services' own, of programs that call the API, of tests, and those that Kubernetes
// and Docker make of a service's name.
var foreign = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // a constant that Go cannot write down
	return regexp.MustCompile(`^(NATS_[A-Z_]+_PASSWORD|NATS_STORE_DIR|SERVICE_TOKEN|API_URL|TOKEN|KEY|WEBHOOK_SECRET|TEST_[A-Z_]+)$` +
		`|_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
})

// Unknown returns the variables of environ that have the prefix and are no settings,
// in the order of their names.
func Unknown(environ map[string]string) []string {
	known := Names()
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		short, ours := strings.CutPrefix(name, Prefix)
		if ours && !slices.Contains(known, short) && !foreign().MatchString(short) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// misspelt returns a problem for each variable that has the prefix and is no setting:
// what it was meant to set has its default, which may be the opposite.
func misspelt(environ map[string]string) []string {
	var problems []string
	for _, name := range Unknown(environ) {
		problem := name + " is no setting of this version"
		if near := nearest(strings.TrimPrefix(name, Prefix)); near != "" {
			problem += "; is " + Prefix + near + " meant?"
		}
		problems = append(problems, problem)
	}
	return problems
}

// nearest returns the setting whose name differs in at most two letters, "" for none.
func nearest(name string) string {
	best, distance := "", 3
	for _, known := range Names() {
		if d := differences(name, known); d < distance {
			best, distance = known, d
		}
	}
	return best
}

// differences returns how many letters have to be inserted, removed or replaced to
// make b of a.
func differences(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := before
			if a[i] != b[j] {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
