// Package listener brings an organization's events to a program on this machine,
// which no service outside can reach. It reads them from the API as they are
// stored, makes of each the request that a webhook would be sent, and sends it.
//
// The webhook exists here only: its secret is made here, and the requests are
// signed here, by the very code that the dispatchers use. There are no retries,
// no holds and no log.
package listener

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// forwardWithin is how long a program may take to answer, as a webhook's.
const forwardWithin = 30 * time.Second

// Options say what to listen to and where to send it.
type Options struct {
	Server       string // of the API, like http://localhost:8080
	Key          string // an organization's API key, or a service token
	Organization string
	Type         event.Type // "" for all
	Forward      string     // URL of the program
	Secret       webhook.Secret
	Provider     webhook.Provider
	Headers      []webhook.Header // to add, as a webhook's

	// Ready is called whenever the stream has opened, Forwarded after each
	// request, Trouble when the stream was lost and is opened again. They are not
	// called at the same time.
	Ready     func()
	Forwarded func(Result)
	Trouble   func(error)
}

// Result is the result of forwarding one event.
type Result struct {
	Event  event.Event
	Status int // 0 when there was no answer
	Took   time.Duration
	Err    error // why there was none
}

// Listener forwards events.
type Listener struct {
	opts    Options
	signer  *signature.Signer
	webhook webhook.Webhook
	client  *http.Client
}

// New returns a listener. It returns signature.ErrSecret when the secret is not
// one.
func New(o Options) (*Listener, error) {
	signer, err := signature.NewSigner(o.Secret)
	if err != nil {
		return nil, fmt.Errorf("use the secret: %w", err)
	}
	return &Listener{
		opts: o, signer: signer,
		webhook: webhook.Webhook{
			ID: "wh_" + strings.TrimPrefix(event.NewID(time.Now()), "evt_"), OrganizationID: o.Organization, Provider: o.Provider, Headers: o.Headers,
		},
		client: &http.Client{
			Timeout:       forwardWithin,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Run forwards events, one after the other, until ctx ends: then it returns
// nil. A stream that ends is opened again where it was. It returns an error only
// for what trying again does not change, like a key that is not known.
func (l *Listener) Run(ctx context.Context) error {
	stream := &source{
		client: &http.Client{}, base: strings.TrimRight(l.opts.Server, "/"), key: l.opts.Key, org: l.opts.Organization, kind: l.opts.Type,
	}
	failures := 0
	begun := func() {
		failures = 0
		l.opts.Ready()
	}
	for {
		err := stream.read(ctx, begun, func(e event.Event) { l.opts.Forwarded(l.forward(ctx, e)) })
		if ctx.Err() != nil {
			return nil
		}
		if refused, is := errors.AsType[*refusedError](err); is {
			return refused
		}
		if !errors.Is(err, io.EOF) { // a stream ends by itself now and then
			l.opts.Trouble(err)
		}
		backoff.Sleep(ctx, pause(failures))
		failures++
		if ctx.Err() != nil {
			return nil
		}
	}
}

// forward sends an event as a delivery's one attempt.
func (l *Listener) forward(ctx context.Context, e event.Event) Result {
	began := time.Now()
	d := delivery.Of(e, e.Body(), l.webhook.ID, 0, began)
	result := Result{Event: e}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.opts.Forward, bytes.NewReader(d.Body))
	if err != nil {
		result.Err = err
		return result
	}
	req.Header = delivery.Header(d, l.webhook, l.signer, began).Header()
	req.Header.Set("User-Agent", delivery.UserAgent(cli.Version()))
	resp, err := l.client.Do(req)
	result.Took = time.Since(began)
	if err != nil {
		result.Err = err
		return result
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	result.Status = resp.StatusCode
	return result
}
