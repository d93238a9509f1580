package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// receiveFlags are the flags of "hooklab receive".
type receiveFlags struct {
	addr, tlsAddr string
	certificate   string
	caFile        string
	json          bool
	quiet         bool
	keep          int
	secrets       map[string][]string
}

func readReceiveFlags(args []string, stderr io.Writer) (receiveFlags, error) {
	f := receiveFlags{secrets: make(map[string][]string)}
	flags := flag.NewFlagSet("hooklab receive", flag.ContinueOnError)
	flags.StringVar(&f.addr, "addr", "127.0.0.1:9400", "address for http, and for the control API under "+receiver.ControlPrefix)
	flags.StringVar(&f.tlsAddr, "tls-addr", "", "address for https, none by default")
	flags.StringVar(&f.certificate, "tls-certificate", "good", "good, expired, wrong-name or self-signed")
	flags.StringVar(&f.caFile, "ca-file", "", "write the certificate authority here, for the sender to trust")
	flags.BoolVar(&f.json, "json", false, "print every request as a line of JSON, with header and body")
	flags.BoolVar(&f.quiet, "quiet", false, "print no requests")
	flags.IntVar(&f.keep, "keep", 1000, "how many requests to keep for the control API")
	flags.Func("secret", "`path=whsec_…`: check the signatures of requests to path; may be repeated", func(text string) error {
		path, secret, found := strings.Cut(text, "=")
		if !found || !strings.HasPrefix(path, "/") {
			return errors.New("want /path=whsec_…")
		}
		if err := signature.CheckSecret(webhook.Secret(secret)); err != nil {
			return err
		}
		f.secrets[path] = append(f.secrets[path], secret)
		return nil
	})
	return f, parse(flags, args, stderr)
}

// receive runs a receiver until ctx ends.
func receive(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f, err := readReceiveFlags(args, stderr)
	if err != nil {
		return err
	}
	options := receiver.Options{Keep: f.keep, Each: receiver.AccessLog(stdout)}
	switch {
	case f.quiet:
		options.Each = nil
	case f.json:
		options.Each = receiver.JSONLines(stdout)
	}
	rec := receiver.New(options)
	defer func() {
		if cerr := rec.Close(); err == nil {
			err = cerr
		}
	}()
	for path, secrets := range f.secrets {
		for _, secret := range secrets {
			rec.Expect(path, secret)
		}
	}
	if err := listen(ctx, rec, f, stderr); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// listen opens the addresses and says where they are.
func listen(ctx context.Context, rec *receiver.Receiver, f receiveFlags, stderr io.Writer) error {
	plain, err := rec.ListenHandler(ctx, f.addr, rec.WithControl())
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	_, _ = fmt.Fprintf(stderr, "receiving at %s\n", plain.URL("/"))
	if f.tlsAddr == "" {
		return nil
	}
	authority, err := receiver.NewAuthority()
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	certificate, err := authority.Certificate(receiver.CertificateKind(f.certificate))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if f.caFile != "" {
		if err := os.WriteFile(f.caFile, authority.PEM(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return fmt.Errorf("write the authority: %w", err)
		}
	}
	secure, err := rec.ListenTLS(ctx, f.tlsAddr, certificate)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	_, _ = fmt.Fprintf(stderr, "receiving at %s (%s certificate)\n", secure.URL("/"), f.certificate)
	return nil
}
