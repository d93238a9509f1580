package check_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// stages reads the Dockerfile as docker build does.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	result, err := parser.Parse(strings.NewReader(read(t, root(t, "deploy", "docker", "Dockerfile"))))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Warnings) > 0 {
		t.Errorf("the Dockerfile: %v", result.Warnings)
	}
	stages, _, err := instructions.Parse(result.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func find[T any](stage instructions.Stage) (found []T) {
	for _, c := range stage.Commands {
		if one, is := c.(T); is {
			found = append(found, one)
		}
	}
	return found
}

func TestDockerfileStages(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range stages(t) {
		if s.BaseName != "scratch" && !slices.Contains(names, s.BaseName) {
			pinned(t, "stage "+s.Name, s.BaseName)
		}
		names = append(names, s.Name)
		if len(find[*instructions.AddCommand](s)) > 0 {
			t.Errorf("%s uses ADD, which fetches and unpacks", s.Name)
		}
		for _, run := range find[*instructions.RunCommand](s) {
			for _, line := range run.CmdLine {
				if regexp.MustCompile(`\b(sudo|curl|wget|apt-get|apk)\b`).MatchString(line) {
					t.Errorf("%s runs %q", s.Name, line)
				}
			}
			if strings.Contains(strings.Join(run.CmdLine, " "), "go ") && len(instructions.GetMounts(run)) == 0 {
				t.Errorf("%s builds without a cache: %v", s.Name, run.CmdLine)
			}
		}
	}
	for _, program := range []string{"config-api", "dispatcher", "standalone", "hooklab"} {
		if !slices.Contains(names, program) {
			t.Errorf("there is no target %s", program)
		}
	}
}

// The images that are run hold one program, for a user without rights.
func TestImagesThatAreRun(t *testing.T) {
	t.Parallel()
	all := stages(t)
	at := slices.IndexFunc(all, func(s instructions.Stage) bool { return s.Name == "base" })
	base := all[at]
	users := find[*instructions.UserCommand](base)
	if base.BaseName != "scratch" || len(users) != 1 || users[0].User != "65532:65532" {
		t.Errorf("the base is %s with %v", base.BaseName, users)
	}
	for _, s := range all[at+1:] {
		if s.BaseName != "base" || len(find[*instructions.UserCommand](s)) > 0 || len(find[*instructions.RunCommand](s)) > 0 {
			t.Errorf("%s is not made of the base alone", s.Name)
		}
		entry, health := find[*instructions.EntrypointCommand](s), find[*instructions.HealthCheckCommand](s)
		if len(entry) != 1 || entry[0].PrependShell || !slices.Equal(entry[0].CmdLine, []string{"/" + s.Name}) {
			t.Errorf("%s starts %v", s.Name, entry)
		}
		if len(health) != 1 || !slices.Equal(health[0].Health.Test, []string{"CMD", "/" + s.Name, "healthcheck"}) {
			t.Errorf("%s has the health check %v", s.Name, health)
		}
	}
}

// Everything that the build stage copies is let through by .dockerignore, and
// it is enough: in a folder with nothing else, every program finds all that it
// is made of. Without this test, a forgotten module or pattern would only show when
// the next image is built.
func TestTheBuildFindsAllThatItNeeds(t *testing.T) {
	t.Parallel()
	excluded, err := ignorefile.ReadAll(strings.NewReader(read(t, root(t, ".dockerignore"))))
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(excluded)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := stages(t)
	build := all[slices.IndexFunc(all, func(s instructions.Stage) bool { return s.Name == "build" })]
	for _, c := range find[*instructions.CopyCommand](build) {
		if c.From != "" {
			continue
		}
		for _, source := range c.SourcePaths {
			copyThrough(t, matcher, source, destination(dir, source, c.DestPath))
		}
	}
	for _, service := range []string{"config-api", "dispatcher", "hooklab", "standalone"} {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Error}}{{.}}{{end}}", "./cmd/"+service)
		list.Dir = filepath.Join(dir, "services", service)
		list.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0")
		if out, err := list.CombinedOutput(); err != nil {
			first, _, _ := strings.Cut(string(out), "\n") // of many of the same
			t.Errorf("%s cannot be built from what is copied: %v\n%s", service, err, first)
		}
	}
}

// destination returns where COPY puts a source: into a folder, when one is
// named.
func destination(dir, source, to string) string {
	if strings.HasSuffix(to, "/") {
		return filepath.Join(dir, to, filepath.Base(source))
	}
	return filepath.Join(dir, to)
}

// copyThrough copies what .dockerignore lets through.
func copyThrough(t *testing.T, matcher *patternmatcher.PatternMatcher, source, to string) {
	t.Helper()
	from := root(t, source)
	copied := 0
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(root(t), path)
		if err != nil {
			return err
		}
		if ignored, err := matcher.MatchesOrParentMatches(inside); err != nil || ignored {
			if entry.IsDir() && ignored && filepath.Base(path) == "node_modules" {
				return filepath.SkipDir
			}
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		copied++
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
	if err != nil || copied == 0 {
		t.Fatalf("copy %s: %d files, %v", source, copied, err)
	}
}
