package app

import (
	"context"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/dialnote/webhooks/services/standalone/internal/bootstrap"
	"github.com/dialnote/webhooks/services/standalone/internal/demo"
)

// welcome prints what runs where, and in a demo runs the demo until ctx ends.
func (s *Standalone) welcome(ctx context.Context) error {
	if err := s.started(ctx); err != nil {
		return nil //nolint:nilerr // only when ctx has ended
	}
	if s.opts.Demo {
		if err := s.startDemo(ctx); err != nil {
			return err
		}
		defer func() { _ = s.demo.Close() }()
	}
	if err := s.print(); err != nil {
		return err
	}
	close(s.ready)
	if s.demo != nil {
		return s.demo.Run(ctx)
	}
	<-ctx.Done()
	return nil
}

// started waits until everything answers.
func (s *Standalone) started(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(s.health.Ready(ctx)) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *Standalone) startDemo(ctx context.Context) error {
	d, err := demo.Start(ctx, s.URL(), s.Token(), s.opts.DemoAddr, s.opts.Out, s.opts.Log)
	if err != nil {
		return err
	}
	if err := d.Seed(ctx); err != nil {
		_ = d.Close()
		return fmt.Errorf("seed the demo: %w", err)
	}
	s.demo = d
	return nil
}

// Token returns the first of the service tokens.
func (s *Standalone) Token() string {
	first, _, _ := strings.Cut(s.settings.APITokens, ",")
	_, token, _ := strings.Cut(first, ":")
	return token
}

// tokenPlace says where the service token is. Only a demo prints the token itself,
// because logs keep what a service prints.
func (s *Standalone) tokenPlace() string {
	if s.opts.Settings.APITokens == "" {
		return "in " + bootstrap.TokenFile(s.settings.DataDir)
	}
	return "as the settings say"
}

const welcomeText = `
dialnote webhooks is running.

{{if .Page}}  Page     {{.Page}}     Settings → Webhooks, as a customer sees it
{{end}}  API      {{.URL}}/v1      documented at {{.URL}}/docs
  Health   {{.URL}}/readyz  metrics at {{.URL}}/metrics
  Data     {{.Data}}        (kept; remove it to start from nothing)
  Token    {{if .Receiver}}{{.Token}}{{else}}{{.TokenPlace}}{{end}}
{{- if .NATS}}
  NATS     {{.NATS}}      for services that publish events
{{- end}}
{{- if .Receiver}}
  Receiver {{.Receiver}}    verifies each signature and prints what arrives below

Next: open the page, or follow the tour in README.md in another terminal.

Ctrl-C stops it; everything is kept.
{{- else}}

Only https endpoints at public addresses are accepted. --demo runs a receiver
and made-up traffic to try it with.
{{- end}}

`

func (s *Standalone) print() error {
	t, err := template.New("welcome").Parse(welcomeText)
	if err != nil {
		return fmt.Errorf("read the welcome: %w", err)
	}
	view := struct{ URL, Data, Token, TokenPlace, NATS, Receiver, Page string }{
		URL: s.URL(), Data: s.settings.DataDir, Token: s.Token(), TokenPlace: s.tokenPlace(), NATS: s.natsURL,
	}
	if s.demo != nil {
		view.Receiver, view.Page = s.demo.URL(), s.demo.PageURL()
	}
	if err := t.Execute(s.opts.Out, view); err != nil {
		return fmt.Errorf("print the welcome: %w", err)
	}
	return nil
}
