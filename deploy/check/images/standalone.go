package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const standaloneURL = "http://127.0.0.1:8090"

// standalone runs the image that needs nothing, as compose runs the others.
func (s *session) standalone() []step {
	start := func(ctx context.Context, kind string) error {
		_, err := command(ctx, s.w.dir, nil, "podman", "run", "--detach", "--name", "standalone", "--read-only", "--cap-drop", "all",
			"--security-opt", "no-new-privileges", "--publish", "127.0.0.1:8090:8080", "--volume", "standalone:/data", repository("standalone")+":"+kind)
		if err != nil {
			return err
		}
		return until(ctx, time.Minute, func() error {
			_, err := command(ctx, s.w.dir, nil, "podman", "exec", "standalone", "/standalone", "healthcheck")
			return err
		})
	}
	stop := func(ctx context.Context) error {
		if _, err := command(ctx, s.w.dir, nil, "podman", "stop", "--time", "60", "standalone"); err != nil {
			return err
		}
		code, err := command(ctx, s.w.dir, nil, "podman", "inspect", "--format", "{{.State.ExitCode}}", "standalone")
		if err == nil && strings.TrimSpace(code) != "0" {
			err = fmt.Errorf("it ended with %s", code)
		}
		if err != nil {
			return err
		}
		_, err = command(ctx, s.w.dir, nil, "podman", "rm", "standalone")
		return err
	}
	return []step{
		{"the version before starts on a fresh volume", func(ctx context.Context) (string, error) { return "", start(ctx, "before") }},
		{"it stops by itself", func(ctx context.Context) (string, error) { return "", stop(ctx) }},
		{"this version starts on that volume", func(ctx context.Context) (string, error) { return "", start(ctx, "now") }},
		{"user, capabilities and root file system; the volume is the user's", s.standaloneRights},
		{"it answers", func(ctx context.Context) (string, error) {
			_, err := s.read(ctx, standaloneURL+"/docs")
			return "", err
		}},
		{"it stops by itself, too", func(ctx context.Context) (string, error) { return "", stop(ctx) }},
	}
}

func (s *session) standaloneRights(ctx context.Context) (string, error) {
	said, err := command(ctx, s.w.dir, nil, "podman", "inspect", "--format", "{{.State.Pid}}", "standalone")
	if err != nil {
		return "", err
	}
	var pid int
	if _, err := fmt.Sscan(said, &pid); err != nil {
		return "", fmt.Errorf("read its process: %w", err)
	}
	p, err := describe(pid)
	if err != nil {
		return "", err
	}
	const none = "0000000000000000"
	if p.user != "65532" || p.effective != none || p.bounding != none || !p.noNew || !p.sealed {
		return "", fmt.Errorf("it is %+v", p)
	}
	others, err := command(ctx, s.w.dir, nil, "sh", "-c", `find "$(podman volume inspect --format '{{.Mountpoint}}' standalone)" ! -user 65532`)
	if err == nil && others != "" {
		err = fmt.Errorf("files of its volume belong to others: %s", others)
	}
	return "65532", err
}
