package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const socket = "/run/podman-images-check.sock"

// engine is podman, answering at a socket as Docker's engine does.
type engine struct {
	w      *workplace
	client *http.Client
	dir    string // of the checkout that is installed
	env    string // the file of variables for Compose
	flags  []string
}

// startEngine starts the engine and removes what an earlier check left in its
// storage: containers, volumes and networks. Images stay.
func startEngine(ctx context.Context, w *workplace) (*engine, error) {
	log, err := os.Create(w.path("engine.log"))
	if err != nil {
		return nil, fmt.Errorf("make the engine's log: %w", err)
	}
	e := &engine{w: w, dir: w.path("checkout"), client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
	service := exec.CommandContext(ctx, "podman", "system", "service", "--time", "0", "unix://"+socket)
	service.Stdout, service.Stderr = log, log
	if err := service.Start(); err != nil {
		return nil, fmt.Errorf("start podman: %w", err)
	}
	if err := until(ctx, time.Minute, func() error { return e.get(ctx, "/_ping", nil) }); err != nil {
		return nil, fmt.Errorf("podman does not answer, see %s: %w", log.Name(), err)
	}
	return e, e.empty(ctx)
}

func (e *engine) empty(ctx context.Context) error {
	_, err := command(ctx, e.w.dir, nil, "sh", "-c",
		"podman rm --all --force --time 0 && podman volume rm --all --force && podman network prune --force")
	return err
}

// get asks the engine and reads its answer into v.
func (e *engine) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, nil)
	if err != nil {
		return fmt.Errorf("ask the engine: %w", err)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the engine: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask the engine: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the engine answers %s: %s", resp.Status, text)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read the engine's answer: %w", err)
	}
	return nil
}

// container is what the engine says of a container.
type container struct {
	ID    string `json:"Id"`
	Name  string
	Image string
	State struct {
		Status    string
		Pid       int
		ExitCode  int
		StartedAt time.Time
		Health    struct{ Status string }
	}
	Config struct {
		Healthcheck struct {
			Interval time.Duration
			Test     []string
		}
		Labels map[string]string
	}
	HostConfig struct {
		Memory         int64
		ReadonlyRootfs bool
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
		Ports    map[string][]struct{ HostIP, HostPort string } //nolint:tagliatelle // Docker's names
	}
}

// checked reports whether the container has a health check.
func (c container) checked() bool {
	h := c.Config.Healthcheck
	return h.Interval > 0 && len(h.Test) > 0 && h.Test[0] != "NONE"
}

func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }

// containers returns all containers, running or not.
func (e *engine) containers(ctx context.Context) ([]container, error) {
	var list []struct {
		ID string `json:"Id"`
	}
	if err := e.get(ctx, "/v1.40/containers/json?all=1", &list); err != nil {
		return nil, err
	}
	var all []container
	for _, one := range list {
		var c container
		if err := e.get(ctx, "/v1.40/containers/"+one.ID+"/json", &c); err != nil {
			return nil, err
		}
		c.Name = strings.TrimPrefix(c.Name, "/")
		all = append(all, c)
	}
	return all, nil
}

// of returns the containers of one service.
func (e *engine) of(ctx context.Context, service string) ([]container, error) {
	all, err := e.containers(ctx)
	if err != nil {
		return nil, err
	}
	var found []container
	for _, c := range all {
		if c.service() == service {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no container of %s", service)
	}
	return found, nil
}

// compose runs docker compose with the project's file. What fails is reported
// with the last lines of each container.
func (e *engine) compose(ctx context.Context, args ...string) error {
	_, err := e.composeOnly(ctx, args...)
	if err == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	logs, _ := e.composeOnly(ctx, "logs", "--tail", "15")
	all, _ := e.containers(ctx)
	var states strings.Builder
	for _, c := range all {
		fmt.Fprintf(&states, "%s: %s, %s, exit code %d\n", c.Name, c.State.Status, c.State.Health.Status, c.State.ExitCode)
	}
	return errors.Join(err, errors.New(states.String()), errors.New(logs))
}

func (e *engine) composeOnly(ctx context.Context, args ...string) (string, error) {
	base := append([]string{"--project-directory", e.dir, "--env-file", e.env}, e.flags...)
	return command(ctx, e.dir, []string{"DOCKER_HOST=unix://" + socket}, e.w.path("bin", "docker-compose-"+composeVersion), append(base, args...)...)
}

// up brings the project up as docs/operating.md says, with images that are here,
// and waits until all are healthy. Compose itself does not wait for the demo:
// podman says of a container without a health check that its health is unknown.
// podman reports the networks of existing containers under other names than Compose
// expects, so Compose replaces each of these containers. A caller that wants to keep
// those that Docker would keep passes --no-recreate, or the names of the services to
// change, in args.
func (e *engine) up(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	base := []string{"up", "--detach", "--no-build", "--pull", "never"}
	if len(e.flags) == 0 {
		base = append(base, "--wait")
	}
	if err := e.compose(ctx, append(base, args...)...); err != nil {
		return err
	}
	return e.healthy(ctx)
}

// use makes the checkout one of this source ("now") or of the version before
// ("before"), and gives the images of it the tag that docker-compose.yml names.
func (e *engine) use(ctx context.Context, kind string) error {
	from := e.w.root
	if kind == "before" {
		from = e.w.path("before")
	}
	if _, err := command(ctx, e.w.dir, nil, "sh", "-c",
		`rm -rf "$1" && mkdir "$1" && cp "$0/docker-compose.yml" "$0/.env.example" "$1" && mkdir "$1/deploy" && cd "$0/deploy" && cp -r docker nats prometheus grafana "$1/deploy"`, from, e.dir); err != nil {
		return err
	}
	named, err := e.w.namedImages()
	if err != nil {
		return err
	}
	for _, program := range programs() {
		tag := named["dialnote/webhooks-"+program]
		if tag == "" {
			tag = named["dialnote/webhooks-dispatcher"]
		}
		if _, err := command(ctx, e.w.dir, nil, "podman", "tag", repository(program)+":"+kind, repository(program)+":"+tag); err != nil {
			return err
		}
	}
	return nil
}

// until tries something every 100 ms until it succeeds; it returns its last
// error when it has not within the limit.
func until(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", limit, err)
		case <-tick.C:
		}
	}
}

// healthy waits until every container runs and is healthy.
func (e *engine) healthy(ctx context.Context) error {
	return until(ctx, 2*time.Minute, func() error {
		all, err := e.containers(ctx)
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.State.Status != "running" || c.checked() && c.State.Health.Status != "healthy" {
				return fmt.Errorf("%s is %s, %s", c.Name, c.State.Status, c.State.Health.Status)
			}
		}
		return nil
	})
}
