package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// session is what the checks of running containers share.
type session struct {
	w      *workplace
	engine *engine
	health *health
	flow   *flow
}

// runAll runs the compose file as docs/operating.md says, with secrets made for
// it and then as the demo, and standalone's image by itself.
func runAll(ctx context.Context, w *workplace) (err error) {
	if _, err := command(ctx, w.dir, nil, "sh", "-c", "ip link set lo up && ip address add "+receiverHost+"/32 dev lo"); err != nil {
		return err
	}
	if err := serveNames(ctx, w); err != nil {
		return err
	}
	e, err := startEngine(ctx, w)
	if err != nil {
		return err
	}
	defer func() { // what is not removed here, the next check removes
		if emptied := e.empty(context.WithoutCancel(ctx)); err == nil {
			err = emptied
		}
	}()
	f, err := newFlow(ctx)
	if err != nil {
		return err
	}
	s := &session{w: w, engine: e, health: watchHealth(ctx, e), flow: f}
	for _, part := range []struct {
		title  string
		checks []step
	}{
		{"As docs/operating.md installs it, with secrets of its own", s.production()},
		{"The demo, from the version before to this one", s.upgrade()},
		{"Replicas, stops and restarts, while events flow", s.restarts()},
		{"Standalone's image", s.standalone()},
	} {
		fmt.Printf("\n%s\n", part.title)
		for _, c := range part.checks {
			if err := check(c.what, func() (string, error) { return c.do(ctx) }); err != nil {
				return err
			}
		}
	}
	return nil
}

type step struct {
	what string
	do   func(context.Context) (found string, err error)
}

// production starts everything as the first lines of docs/operating.md do.
func (s *session) production() []step {
	return []step{
		{"up starts all, and waits until all are healthy", func(ctx context.Context) (string, error) {
			if err := s.engine.use(ctx, "now"); err != nil {
				return "", err
			}
			env, err := command(ctx, s.engine.dir, nil, filepath.Join(s.engine.dir, "deploy", "docker", "new-env"))
			if err != nil {
				return "", err
			}
			s.engine.env = s.w.path("env")
			if err := os.WriteFile(s.engine.env, []byte(env), 0o600); err != nil {
				return "", fmt.Errorf("write .env: %w", err)
			}
			return "", s.engine.up(ctx)
		}},
		{"the services started after Postgres and NATS were healthy", s.order},
		{"processes: user, capabilities, new privileges, root file system, memory", s.rights},
		{"fresh volumes belong to those who write them", s.owners},
		{"ports are open on the loopback address alone, and Postgres has none", s.ports},
		{"doctor finds nothing wrong but that there is no internet here", s.doctor},
		{"Prometheus sees both services, and has loaded the rules", s.targets},
		{"another POSTGRES_PASSWORD in .env is refused until the role has it too", s.password},
		{"down ends each service by itself, within its grace period", s.down},
		{"up again: what was there is there", func(ctx context.Context) (string, error) { return "", s.engine.up(ctx) }},
		{"down --volumes removes all of it", func(ctx context.Context) (string, error) {
			return "", s.engine.compose(ctx, "down", "--volumes", "--timeout", "60")
		}},
	}
}

// upgrade runs the demo, whose version changes while events flow.
func (s *session) upgrade() []step {
	change := func(kind string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			if err := s.engine.use(ctx, kind); err != nil {
				return "", err
			}
			return s.flow.during(ctx, func() error {
				// Compose does not see that a mounted file has changed.
				if err := s.engine.compose(ctx, "restart", "--timeout", "60", "nats"); err != nil {
					return err
				}
				return s.engine.up(ctx, "--no-deps", "config-api", "dispatcher", "receiver", "traffic", "prometheus", "grafana")
			})
		}
	}
	return []step{
		{"the demo starts, with the images of the version before", func(ctx context.Context) (string, error) {
			s.engine.env = filepath.Join(s.engine.dir, "deploy", "docker", "demo.env")
			s.engine.flags = []string{"--profile", "demo"}
			if err := s.engine.use(ctx, "before"); err != nil {
				return "", err
			}
			return "", s.engine.up(ctx)
		}},
		{"a webhook is created, an event delivered, its signature is right", func(ctx context.Context) (string, error) {
			if err := s.flow.subscribe(ctx, "/ok", "call.completed"); err != nil {
				return "", err
			}
			if _, err := s.flow.publish(ctx, "call.completed"); err != nil {
				return "", err
			}
			return "", s.flow.wait(ctx)
		}},
		{"upgrade: nothing is lost", change("now")},
		{"the images are this version's", s.version},
		{"volumes of the version before belong to those who write them", s.owners},
		{"back to the version before: nothing is lost", change("before")},
		{"and forward again: nothing is lost", change("now")},
	}
}

// restarts stops and starts what the upgrade left running.
func (s *session) restarts() []step {
	steps := []step{
		{"--scale dispatcher=3: each of the three delivers", s.scale},
		{"SIGTERM while slow requests are under way: within the grace period, nothing lost or sent twice", s.terminate},
	}
	for _, service := range []string{"postgres", "nats", "config-api", "dispatcher", "prometheus", "grafana"} {
		steps = append(steps, step{"restart of " + service + ": nothing is lost", func(ctx context.Context) (string, error) {
			return s.flow.during(ctx, func() error {
				if err := s.engine.compose(ctx, "restart", "--timeout", "60", service); err != nil {
					return err
				}
				return s.engine.healthy(ctx)
			})
		}})
	}
	for _, service := range []string{"postgres", "nats", "config-api", "dispatcher"} {
		steps = append(steps, step{service + " is killed: it is started again, nothing is lost", func(ctx context.Context) (string, error) {
			return s.flow.during(ctx, func() error { return s.kill(ctx, service) })
		}})
	}
	return append(steps,
		step{"restart of all: nothing is lost", func(ctx context.Context) (string, error) {
			return s.flow.during(ctx, func() error {
				if err := s.engine.compose(ctx, "restart", "--timeout", "60"); err != nil {
					return err
				}
				return s.engine.healthy(ctx)
			})
		}},
		step{"down and up, with the volumes: nothing is lost", func(ctx context.Context) (string, error) {
			return s.flow.during(ctx, func() error {
				if _, err := s.down(ctx); err != nil {
					return err
				}
				return s.engine.up(ctx, "--scale", "dispatcher=3")
			})
		}},
		step{"down --volumes removes all of it", func(ctx context.Context) (string, error) {
			return "", s.engine.compose(ctx, "down", "--volumes", "--timeout", "60")
		}},
	)
}
