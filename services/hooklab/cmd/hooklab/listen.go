package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/listener"
)

// account says how to reach an organization through the API.
type account struct {
	server, key, organization string
}

func (a *account) flags(flags *flag.FlagSet) {
	flags.StringVar(&a.server, "server", "http://localhost:8080", "URL of the API")
	flags.StringVar(&a.key, "key", os.Getenv("DIALNOTE_KEY"), "the organization's API key, by default from DIALNOTE_KEY")
	flags.StringVar(&a.organization, "org", "", "the organization")
}

func (a *account) check(flags *flag.FlagSet, stderr io.Writer) error {
	if a.key == "" || a.organization == "" {
		_, _ = fmt.Fprintf(stderr, "%s: --key and --org are needed\n", flags.Name())
		return errUsage
	}
	return checkURL(&a.server, "server", flags, stderr)
}

// checkURL completes the URL of a flag: localhost:3000/hook is one over http.
func checkURL(text *string, flagName string, flags *flag.FlagSet, stderr io.Writer) error {
	full := *text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		_, _ = fmt.Fprintf(stderr, "%s: --%s %q is no http or https URL\n", flags.Name(), flagName, *text)
		return errUsage
	}
	*text = full
	return nil
}

// listenTo forwards an organization's events to a program on this machine until
// ctx ends.
func listenTo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var (
		a account
		o listener.Options
	)
	flags := flag.NewFlagSet("hooklab listen", flag.ContinueOnError)
	a.flags(flags)
	flags.StringVar(&o.Forward, "forward", "http://localhost:3000/", "URL of the program to forward to")
	secret := flags.String("secret", os.Getenv("DIALNOTE_WEBHOOK_SECRET"), "secret to sign with, by default from DIALNOTE_WEBHOOK_SECRET, else a new one")
	zapier := flags.Bool("zapier", false, "send what a Zapier webhook sends")
	flags.Func("type", "only events of this `type`", func(text string) (err error) {
		o.Type, err = parseType(text)
		return err
	})
	flags.Func("header", "`name: value` of a header to add, as on a webhook; can be repeated", func(text string) error {
		name, value, found := strings.Cut(text, ":")
		if !found {
			return fmt.Errorf("want name: value")
		}
		kept, wrong := webhook.NewHeaders(append(o.Headers, webhook.Header{Name: name, Value: webhook.HeaderValue(value)}))
		if len(wrong) > 0 {
			return errors.New(wrong[0].Detail)
		}
		o.Headers = kept
		return nil
	})
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	if err := a.check(flags, stderr); err != nil {
		return err
	}
	if err := checkURL(&o.Forward, "forward", flags, stderr); err != nil {
		return err
	}
	o.Server, o.Key, o.Organization = a.server, a.key, a.organization
	o.Secret, o.Provider = webhook.Secret(*secret), webhook.Custom
	if *zapier {
		o.Provider = webhook.Zapier
	}
	if o.Secret == "" {
		var err error
		if o.Secret, err = signature.NewSecret(rand.Reader); err != nil {
			return err
		}
	}
	return runListener(ctx, o, stdout, stderr)
}

func runListener(ctx context.Context, o listener.Options, stdout, stderr io.Writer) error {
	first := true
	o.Ready = func() {
		if first {
			_, _ = fmt.Fprintf(stderr, "listening to %s, forwarding to %s\nthe secret is %s\n", o.Organization, o.Forward, o.Secret.Reveal())
		}
		first = false
	}
	o.Trouble = func(err error) { _, _ = fmt.Fprintf(stderr, "trying again: %v\n", err) }
	o.Forwarded = func(r listener.Result) {
		answer := fmt.Sprint(r.Status)
		if r.Err != nil {
			answer = r.Err.Error()
		}
		_, _ = fmt.Fprintf(stdout, "%s  %-20s %s → %s (%s)\n",
			time.Now().Format("15:04:05.000"), r.Event.Type, r.Event.ID, answer, r.Took.Round(time.Millisecond))
	}
	l, err := listener.New(o)
	if err != nil {
		return err
	}
	return l.Run(ctx)
}

func parseType(text string) (event.Type, error) {
	for _, t := range event.Types() {
		if string(t) == text {
			return t, nil
		}
	}
	return "", fmt.Errorf("want one of %v", event.Types())
}
