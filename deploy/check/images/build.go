package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// revision is the label that says of which commit an image is.
const revision = "org.opencontainers.image.revision"

// programs are the targets of the Dockerfile that are run.
func programs() []string { return []string{"config-api", "dispatcher", "standalone", "hooklab"} }

// repository returns the name of a program's image, without its version.
func repository(program string) string { return "docker.io/dialnote/webhooks-" + program }

// buildAll builds the images that stand in for those of registries, and ours:
// those of this source, those of the version before, and one for another
// processor.
func buildAll(ctx context.Context, w *workplace) error {
	named, err := w.namedImages()
	if err != nil {
		return err
	}
	if err := check("images that stand in for those of registries are built", func() (string, error) {
		return w.buildBases(ctx, named)
	}); err != nil {
		return err
	}
	now, err := command(ctx, w.root, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	now = strings.TrimSpace(now)
	for _, program := range programs() {
		if err := check("the Dockerfile builds "+program, func() (string, error) {
			return w.buildOurs(ctx, w.root, program, now, "now")
		}); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		what string
		do   func(context.Context) (string, error)
	}{
		{"images hold one program, root certificates and no shell, for a user without rights", w.inspectOurs},
		{"an image for another processor is built without its processor", func(ctx context.Context) (string, error) { return w.crossBuild(ctx, now) }},
		{"the version before is built, from the history", w.buildBefore},
	} {
		if err := check(one.what, func() (string, error) { return one.do(ctx) }); err != nil {
			return err
		}
	}
	_, err = command(ctx, w.dir, nil, "podman", "image", "prune", "--force")
	return err
}

func (w *workplace) buildBases(ctx context.Context, named map[string]string) (string, error) {
	file := w.path("base", "debian.Dockerfile")
	if err := os.WriteFile(file, []byte("FROM scratch\nCOPY debian /\n"), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	if _, err := w.buildah(ctx, "--layers", "-t", "localhost/images-check/debian", "-f", file, w.path("base")); err != nil {
		return "", err
	}
	var made []string
	for file, image := range map[string]string{
		"node": "node", "golang": "golang", "postgres": "postgres", "nats": "nats", "prometheus": "prom/prometheus", "grafana": "grafana/grafana",
	} {
		name := "docker.io/" + image + ":" + named[image]
		if !strings.Contains(image, "/") {
			name = "docker.io/library/" + image + ":" + named[image]
		}
		if _, err := w.buildah(ctx, "--layers", "-t", name, "-f", w.path("base", file+".Dockerfile"), w.path("base")); err != nil {
			return "", err
		}
		made = append(made, image+":"+named[image])
	}
	slices.Sort(made)
	return strings.Join(made, ", "), nil
}

// buildah builds an image as docker build does. Chroot is the isolation that
// works inside a container; the format is Docker's, because the other one has no
// health checks.
func (w *workplace) buildah(ctx context.Context, args ...string) (string, error) {
	return command(ctx, w.root, nil, "buildah", append([]string{"build", "--isolation", "chroot", "--format", "docker", "--pull-never"}, args...)...)
}

func (w *workplace) buildOurs(ctx context.Context, source, program, commit, tag string) (string, error) {
	name := repository(program) + ":" + tag
	// The label is set once more, because this buildah takes LABEL lines with
	// another COMMIT from its cache; crossBuild, without a cache, checks them.
	_, err := w.buildah(ctx, "--layers", "--target", program, "--build-arg", "COMMIT="+commit, "--label", revision+"="+commit, "-t", name,
		"--ignorefile", filepath.Join(w.root, ".dockerignore"), "-f", filepath.Join(w.root, "deploy", "docker", "Dockerfile"), source)
	if err != nil {
		return "", err
	}
	said, err := command(ctx, w.dir, nil, "podman", "image", "inspect", "--format", "{{.Size}}", name)
	if err != nil {
		return "", err
	}
	var size float64
	if _, err := fmt.Sscan(said, &size); err != nil {
		return "", fmt.Errorf("read the image's size: %w", err)
	}
	return fmt.Sprintf("%.1f MB", size/1e6), nil
}

func (w *workplace) inspectOurs(ctx context.Context) (string, error) {
	for _, program := range programs() {
		name := repository(program) + ":now"
		said, err := command(ctx, w.dir, nil, "podman", "image", "inspect", name)
		if err != nil {
			return "", err
		}
		var images []struct {
			Config struct {
				User       string
				Entrypoint []string
			}
			Healthcheck struct{ Test []string }
		}
		if err := json.Unmarshal([]byte(said), &images); err != nil {
			return "", fmt.Errorf("read what %s is: %w", name, err)
		}
		c := images[0].Config
		if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/" + program}) || !slices.Equal(images[0].Healthcheck.Test, []string{"CMD", "/" + program, "healthcheck"}) {
			return "", fmt.Errorf("%s is %+v", name, images[0])
		}
		files, err := w.filesOf(ctx, name)
		if err != nil {
			return "", err
		}
		want := []string{"etc/ssl/certs/ca-certificates.crt", program}
		if program == "standalone" {
			want = []string{"data", "etc/ssl/certs/ca-certificates.crt", program}
		}
		slices.Sort(want)
		if !slices.Equal(files, want) {
			return "", fmt.Errorf("%s holds %v, not %v", name, files, want)
		}
	}
	return "", nil
}

// filesOf returns the files, and the empty folders, of an image.
func (w *workplace) filesOf(ctx context.Context, image string) ([]string, error) {
	said, err := command(ctx, w.dir, nil, "sh", "-c", `set -e
mounted=$(podman image mount "$0")
cd "$mounted" && find . -mindepth 1 ! -type d -printf '%P\n' -o -type d -empty -printf '%P\n'
cd / && podman image unmount "$0" >/dev/null`, image)
	files := strings.Fields(said)
	slices.Sort(files)
	return files, err
}

// crossBuild builds for arm64. Whatever the build would run for that processor
// would fail here, where nothing emulates it. BuildKit sets BUILDPLATFORM by
// itself, and this buildah does not.
func (w *workplace) crossBuild(ctx context.Context, now string) (string, error) {
	name := repository("dispatcher") + ":arm64"
	if _, err := w.buildah(ctx, "--build-arg", "BUILDPLATFORM="+platform(), "--build-arg", "COMMIT="+now, "--platform", "linux/arm64", "--target", "dispatcher", "-t", name, "-f", filepath.Join("deploy", "docker", "Dockerfile"), "."); err != nil {
		return "", err
	}
	label, err := command(ctx, w.dir, nil, "podman", "image", "inspect", "--format", "{{index .Labels \""+revision+"\"}}", name)
	if err == nil && strings.TrimSpace(label) != now {
		err = fmt.Errorf("the image says that it is of %s, not %s", label, now)
	}
	if err != nil {
		return "", err
	}
	program, err := command(ctx, w.dir, nil, "sh", "-c", `set -e
mounted=$(podman image mount "$0") && cat "$mounted/dispatcher" && podman image unmount "$0" >/dev/null`, name)
	if err != nil {
		return "", err
	}
	file, err := elf.NewFile(bytes.NewReader([]byte(program)))
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	if file.Machine != elf.EM_AARCH64 {
		return "", fmt.Errorf("the program is for %v", file.Machine)
	}
	_, err = command(ctx, w.dir, nil, "podman", "image", "rm", name)
	return "linux/arm64", err
}

// platform returns this machine's platform.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// buildBefore builds the images of the version that deploy/previous-version
// names, with the present Dockerfile. Its source stays, for its compose file.
func (w *workplace) buildBefore(ctx context.Context) (string, error) {
	text, err := os.ReadFile(filepath.Join(w.root, "deploy", "previous-version"))
	if err != nil {
		return "", fmt.Errorf("read which version was before: %w", err)
	}
	commit := ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			commit = strings.TrimSpace(line)
		}
	}
	source := w.path("before")
	if _, err := command(ctx, w.root, nil, "sh", "-c", `rm -rf "$1" && mkdir "$1" && git archive "$0" | tar -x -C "$1"`, commit, source); err != nil {
		return "", errors.Join(errors.New("this needs the history with that commit"), err)
	}
	for _, program := range programs() {
		// A go.sum of the history may lack lines that builds inside the workspace did not need.
		if _, err := command(ctx, filepath.Join(source, "services", program), []string{"GOWORK=off", "GOFLAGS=-mod=mod"}, "go", "list", "-deps", "./cmd/"+program); err != nil {
			return "", err
		}
	}
	for _, program := range programs() {
		if _, err := w.buildOurs(ctx, source, program, commit, "before"); err != nil {
			return "", err
		}
	}
	return commit[:8], nil
}
