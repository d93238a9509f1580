package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// order checks that the services were started when what they depend on had been
// healthy.
func (s *session) order(ctx context.Context) (string, error) {
	for _, after := range []struct{ service, on string }{
		{"config-api", "postgres"}, {"config-api", "nats"}, {"dispatcher", "postgres"}, {"dispatcher", "nats"}, {"grafana", "prometheus"},
	} {
		later, err := s.engine.of(ctx, after.service)
		if err != nil {
			return "", err
		}
		earlier, err := s.engine.of(ctx, after.on)
		if err != nil {
			return "", err
		}
		if since := s.health.since(earlier[0]); since.IsZero() || later[0].State.StartedAt.Before(since.Add(-2*time.Second)) {
			return "", fmt.Errorf("%s started at %v, and %s was healthy since %v", after.service, later[0].State.StartedAt, after.on, since)
		}
	}
	return "", nil
}

// process is what the kernel says of a container's first process.
type process struct {
	user          string
	effective     string // capabilities
	bounding      string
	noNew, sealed bool // no new privileges; a root file system that is read-only
}

func describe(pid int) (process, error) {
	var p process
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, fmt.Errorf("read the process's status: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "Uid":
			p.user, _, _ = strings.Cut(value, "\t")
		case "CapEff":
			p.effective = value
		case "CapBnd":
			p.bounding = value
		case "NoNewPrivs":
			p.noNew = value == "1"
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return p, fmt.Errorf("read the process's mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == "/" {
			p.sealed = slices.Contains(strings.Split(f[5], ","), "ro")
		}
	}
	return p, nil
}

// users returns who runs each service. NATS' official image is root's, and so
// is a fresh volume at /data; here it is root without a capability.
func users() map[string]string {
	return map[string]string{
		"config-api": "65532", "dispatcher": "65532", "receiver": "65532", "traffic": "65532",
		"nats": "0", "prometheus": "65534", "grafana": "472", "postgres": "not 0",
	}
}

// rights checks what the processes of the containers may do.
func (s *session) rights(ctx context.Context) (string, error) {
	const none = "0000000000000000"
	all, err := s.engine.containers(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, c := range all {
		p, err := describe(c.State.Pid)
		if err != nil {
			return "", err
		}
		postgres := c.service() == "postgres" // its entrypoint begins as root, and takes its folder over
		want := users()[c.service()]
		if p.user != want && (want != "not 0" || p.user == "0") || p.effective != none || !p.noNew ||
			!postgres && (p.bounding != none || !p.sealed) {
			return "", fmt.Errorf("%s is %+v", c.Name, p)
		}
		if c.HostConfig.Memory == 0 {
			return "", fmt.Errorf("%s has no limit of memory", c.Name)
		}
		found = append(found, fmt.Sprintf("%s %s %d MiB", c.service(), p.user, c.HostConfig.Memory>>20))
	}
	slices.Sort(found)
	return strings.Join(found, ", "), nil
}

// owners checks that each volume, and all that is in it, belongs to the user of
// the process that writes it.
func (s *session) owners(ctx context.Context) (string, error) {
	var found []string
	for _, service := range []string{"postgres", "nats", "prometheus", "grafana"} {
		containers, err := s.engine.of(ctx, service)
		if err != nil {
			return "", err
		}
		p, err := describe(containers[0].State.Pid)
		if err != nil {
			return "", err
		}
		dir, err := command(ctx, s.w.dir, nil, "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", "dialnote-webhooks_"+service)
		if err != nil {
			return "", err
		}
		files := 0
		err = filepath.WalkDir(strings.TrimSpace(dir), func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return nil // removed meanwhile
			}
			info, err := d.Info()
			if err != nil {
				return nil
			}
			files++
			if owner := info.Sys().(*syscall.Stat_t).Uid; fmt.Sprint(owner) != p.user {
				return fmt.Errorf("%s belongs to %d, and %s is run by %s", path, owner, service, p.user)
			}
			return nil
		})
		if err != nil {
			return "", err //nolint:wrapcheck // of the lines above
		}
		if files < 2 {
			return "", fmt.Errorf("%s has written nothing to its volume", service)
		}
		found = append(found, fmt.Sprintf("%s %s", service, p.user))
	}
	return strings.Join(found, ", "), nil
}

func (s *session) ports(ctx context.Context) (string, error) {
	all, err := s.engine.containers(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		for port, bound := range c.NetworkSettings.Ports {
			for _, b := range bound {
				if b.HostIP != "127.0.0.1" || c.service() == "postgres" {
					return "", fmt.Errorf("port %s of %s is open at %s:%s", port, c.Name, b.HostIP, b.HostPort)
				}
			}
		}
		if n := len(c.NetworkSettings.Networks); c.service() == "postgres" && n != 1 {
			return "", fmt.Errorf("postgres is in %d networks", n)
		}
	}
	return "", nil
}

// doctor runs the command of docs/operating.md. There is no internet in the
// namespace, so what it says of that alone may fail.
func (s *session) doctor(ctx context.Context) (string, error) {
	var found []string
	for _, service := range []string{"config-api", "dispatcher"} {
		said, _ := s.engine.composeOnly(ctx, "exec", "-T", service, "/"+service, "doctor")
		good, bad := 0, []string{}
		for line := range strings.Lines(said) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "OK"):
				good++
			case strings.HasPrefix(line, "FAIL") && !strings.Contains(line, " dns ") && !strings.Contains(line, " egress "):
				bad = append(bad, line)
			}
		}
		if good == 0 || len(bad) > 0 {
			return "", fmt.Errorf("%s says:\n%s", service, said)
		}
		found = append(found, fmt.Sprintf("%s %d good", service, good))
	}
	return strings.Join(found, ", "), nil
}

// targets asks Prometheus what it collects from.
func (s *session) targets(ctx context.Context) (string, error) {
	var answer struct {
		Data struct {
			ActiveTargets []struct{ Health, ScrapeURL, LastError string }
			Groups        []struct {
				Rules []struct{ Health, Name, LastError string }
			}
		}
	}
	targets := 0
	err := until(ctx, 90*time.Second, func() error {
		if err := s.ask(ctx, "http://127.0.0.1:9090/api/v1/targets", &answer); err != nil {
			return err
		}
		targets = len(answer.Data.ActiveTargets)
		if targets == 0 {
			return errors.New("there are no targets")
		}
		for _, t := range answer.Data.ActiveTargets {
			if t.Health != "up" {
				return fmt.Errorf("%s is %s: %s", t.ScrapeURL, t.Health, t.LastError)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	rules := 0
	err = until(ctx, 90*time.Second, func() error {
		if err := s.ask(ctx, "http://127.0.0.1:9090/api/v1/rules", &answer); err != nil {
			return err
		}
		rules = 0
		for _, g := range answer.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
				}
				rules++
			}
		}
		if rules == 0 {
			return errors.New("there are no rules")
		}
		return nil
	})
	return fmt.Sprintf("%d targets, %d rules", targets, rules), err
}

func (s *session) ask(ctx context.Context, url string, v any) error {
	text, err := s.read(ctx, url)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return nil
}

func (s *session) read(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	resp, err := s.flow.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	return string(text), nil
}

// password changes POSTGRES_PASSWORD in .env, which an existing database does
// not follow, and then does what docs/operating.md says.
func (s *session) password(ctx context.Context) (string, error) {
	text, err := os.ReadFile(s.engine.env)
	if err != nil {
		return "", fmt.Errorf("read .env: %w", err)
	}
	const other = "another4password4of4the4check"
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "POSTGRES_PASSWORD=") {
			line = "POSTGRES_PASSWORD=" + other + "\n"
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(s.engine.env, []byte(strings.Join(lines, "")), 0o600); err != nil {
		return "", fmt.Errorf("write .env: %w", err)
	}
	if err := s.engine.compose(ctx, "up", "--detach", "--no-build", "--pull", "never", "postgres", "config-api", "dispatcher"); err != nil {
		return "", err
	}
	for _, service := range []string{"config-api", "dispatcher"} {
		err := until(ctx, time.Minute, func() error {
			logs, err := s.engine.composeOnly(ctx, "logs", service)
			if err == nil && !strings.Contains(logs, "28P01") {
				err = fmt.Errorf("%s does not say why:\n%s", service, logs)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	if err := s.engine.compose(ctx, "exec", "-T", "postgres", "psql", "--username", "dialnote", "--command", "ALTER ROLE dialnote PASSWORD '"+other+"'"); err != nil {
		return "", err
	}
	return "the log says so, and nothing has to be restarted", s.engine.healthy(ctx)
}

// down stops all, looks at how each ended, and removes the containers.
func (s *session) down(ctx context.Context) (string, error) {
	took, err := s.stop(ctx)
	if err != nil {
		return "", err
	}
	return "the slowest took " + took.Round(100*time.Millisecond).String(), s.engine.compose(ctx, "down")
}

func (s *session) stop(ctx context.Context, services ...string) (time.Duration, error) {
	began := time.Now()
	if err := s.engine.compose(ctx, append([]string{"stop"}, services...)...); err != nil {
		return 0, err
	}
	took := time.Since(began)
	all, err := s.engine.containers(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range all {
		stopped := len(services) == 0 || slices.Contains(services, c.service())
		if stopped && c.State.ExitCode != 0 && c.service() != "traffic" { // it says with 1 that it did not publish all
			return 0, fmt.Errorf("%s ended with %d after it was asked to stop", c.Name, c.State.ExitCode)
		}
	}
	return took, nil
}

// version checks which source the running images are of.
func (s *session) version(ctx context.Context) (string, error) {
	for _, service := range []string{"config-api", "dispatcher"} {
		running, err := s.engine.of(ctx, service)
		if err != nil {
			return "", err
		}
		id, err := command(ctx, s.w.dir, nil, "podman", "image", "inspect", "--format", "{{.Id}}", repository(service)+":now")
		if err != nil {
			return "", err
		}
		if got := strings.TrimPrefix(running[0].Image, "sha256:"); got != strings.TrimSpace(id) {
			return "", fmt.Errorf("%s runs image %s, not %s", service, got, id)
		}
	}
	return "", nil
}

// scale starts three dispatchers and publishes until each has made attempts.
func (s *session) scale(ctx context.Context) (string, error) {
	return s.flow.during(ctx, func() error {
		if err := s.engine.up(ctx, "--no-recreate", "--scale", "dispatcher=3"); err != nil {
			return err
		}
		replicas, err := s.engine.of(ctx, "dispatcher")
		if err != nil {
			return err
		}
		if len(replicas) != 3 {
			return fmt.Errorf("there are %d dispatchers", len(replicas))
		}
		for _, r := range replicas {
			err := until(ctx, time.Minute, func() error {
				text, err := s.read(ctx, "http://"+r.NetworkSettings.Networks["dialnote-webhooks_outside"].IPAddress+":9091/metrics")
				if err == nil && !delivers(text) {
					err = fmt.Errorf("%s delivers nothing", r.Name)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// delivers reports whether a dispatcher's metrics show an attempt.
func delivers(metrics string) bool {
	for line := range strings.Lines(metrics) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), "} "); strings.HasPrefix(name, "dialnote_dispatcher_attempts_total{") && value != "0" {
			return true
		}
	}
	return false
}

// terminate stops all dispatchers while requests are under way that take
// seconds, and starts them again.
func (s *session) terminate(ctx context.Context) (string, error) {
	if err := s.flow.subscribe(ctx, "/slow", "note.created"); err != nil {
		return "", err
	}
	var ids []string
	for range 10 {
		id, err := s.flow.publish(ctx, "note.created")
		if err != nil {
			return "", err
		}
		ids = append(ids, id)
	}
	select {
	case <-s.flow.slow:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	took, err := s.stop(ctx, "dispatcher")
	if err != nil {
		return "", err
	}
	if err := s.engine.up(ctx, "--no-recreate", "--scale", "dispatcher=3"); err != nil {
		return "", err
	}
	if err := s.flow.wait(ctx); err != nil {
		return "", err
	}
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	for _, id := range ids {
		if n := s.flow.arrived[id]; n != 1 {
			return "", fmt.Errorf("event %s was sent %d times", id, n)
		}
	}
	return "three dispatchers stopped in " + took.Round(100*time.Millisecond).String(), nil
}

// kill kills the first process of a service's first container, and waits until
// the engine has started it again.
func (s *session) kill(ctx context.Context, service string) error {
	before, err := s.engine.of(ctx, service)
	if err != nil {
		return err
	}
	if err := syscall.Kill(before[0].State.Pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", before[0].Name, err)
	}
	err = until(ctx, time.Minute, func() error {
		after, err := s.engine.of(ctx, service)
		if err != nil {
			return err
		}
		for _, c := range after {
			if c.ID == before[0].ID && c.State.Pid != before[0].State.Pid && c.State.Pid > 0 {
				return nil
			}
		}
		return fmt.Errorf("%s was not started again", before[0].Name)
	})
	if err != nil {
		return err
	}
	return s.engine.healthy(ctx)
}
