package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// version is one version of the services' programs.
type version struct {
	name, dir string
	drains    bool // its config API goes on for a moment after SIGTERM
}

// present is the version of this source.
func present() version { return version{"the present version", bin, true} }

// program returns the path of one of the version's programs.
func (v version) program(name string) string { return filepath.Join(v.dir, name) }

// previousVersion builds the version that deploy/previous-version names, from
// the history. A copy without that history cannot: then it returns why, and in
// CI, which has it, the test fails.
func previousVersion(t *testing.T) (v version, missing string) {
	t.Helper()
	text, err := os.ReadFile(repository("deploy", "previous-version"))
	if err != nil {
		t.Fatal(err)
	}
	commit := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			commit = line
		}
	}
	root := repository()
	if out, err := exec.Command("git", "-C", root, "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		missing = fmt.Sprintf("deploy/previous-version names %s, and this copy has no history with it (%v: %s)", commit, err, strings.TrimSpace(string(out)))
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		return version{}, missing
	}
	source := t.TempDir()
	unpack := exec.Command("sh", "-c", `git -C "$0" archive "$1" | tar -x -C "$2"`, root, commit, source)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", commit, err, out)
	}
	v = buildVersion(t, "the previous version ("+commit[:8]+")", source)
	v.drains = false // what deploy/previous-version names at first does not; nor need a later one be asked
	return v, ""
}

// nextVersion builds a version like the present one with a further migration
// that only adds.
func nextVersion(t *testing.T) version {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, database := range []string{"postgres", "sqlite"} {
		migrations, err := filepath.Abs(repository("pkg", "store", database, "migrations"))
		if err != nil {
			t.Fatal(err)
		}
		all, err := filepath.Glob(filepath.Join(migrations, "*.sql"))
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		text := fmt.Sprintf(`-- serves: %d
ALTER TABLE webhooks ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN later text;
ALTER TABLE recoveries ADD COLUMN later text;
CREATE TABLE later (id text NOT NULL PRIMARY KEY);
CREATE INDEX webhooks_later ON webhooks (later);
`, len(all))
		file := filepath.Join(dir, database+".sql")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(migrations, fmt.Sprintf("%04d_later.sql", len(all)+1))] = file
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return buildVersion(t, "the next version", repository(), "-overlay", filepath.Join(dir, "overlay.json"))
}

// buildVersion builds both services from a source.
func buildVersion(t *testing.T, name, source string, flags ...string) version {
	t.Helper()
	v := version{name, t.TempDir(), true}
	args := append([]string{"build", "-buildvcs=false", "-o", v.dir + string(filepath.Separator)}, flags...)
	cmd := exec.Command("go", append(args, "./services/config-api/cmd/config-api", "./services/dispatcher/cmd/dispatcher")...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return v
}
