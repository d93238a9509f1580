package storeurl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Before the seventh migration nothing was released.
const unreleased = "0007"

// Each migration says which programs can go on after it, and says the same for
// both databases (ADR 0007).
func TestMigrationsSayWhomTheyServe(t *testing.T) {
	t.Parallel()
	first := map[string]string{} // lines, by database and file
	for _, database := range []string{"postgres", "sqlite"} {
		names, err := filepath.Glob("../" + database + "/migrations/*.sql")
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(string(text), "\n")
			file := filepath.Base(name)
			if file[:4] > unreleased && !strings.HasPrefix(line, "-- serves: ") {
				t.Errorf("%s: its first line must say which programs can go on after it, by the last migration that they know, like: -- serves: 7", name)
			}
			first[database+" "+file] = line
		}
	}
	for of, line := range first {
		database, file, _ := strings.Cut(of, " ")
		other := map[string]string{"postgres": "sqlite", "sqlite": "postgres"}[database]
		if there, is := first[other+" "+file]; !is || strings.HasPrefix(line, "-- serves") && there != line {
			t.Errorf("%s is not like its twin of %s: %q, %q", of, other, line, there)
		}
	}
}
