package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

// API calls the HTTP API.
type API struct {
	base, token string
	client      *http.Client
}

// NewAPI returns a client of the API that keeps this many connections.
func NewAPI(base, token string, connections int) *API {
	return &API{base: base, token: token, client: &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}}
}

// Close closes the connections.
func (a *API) Close() { a.client.CloseIdleConnections() }

// Publish posts n events, some at once, and returns when all were accepted.
func (a *API) Publish(ctx context.Context, n, publishers int, source Source) error {
	return a.Each(ctx, n, publishers, func(i int) Call {
		e := source(i)
		return Call{
			Method: http.MethodPost, Path: "/v1/organizations/" + e.Organization + "/events",
			Body: specimen.Body(e.Organization, e.Type, e.ID), Want: http.StatusAccepted,
		}
	})
}

// Call is one request to the API.
type Call struct {
	Method, Path string
	Body         []byte // JSON, or none
	Want         int    // the status of success
}

// Each makes n calls, some at once, until one is not answered as wanted.
func (a *API) Each(ctx context.Context, n, atOnce int, call func(i int) Call) error {
	return each(ctx, n, atOnce, func(ctx context.Context, i int) error {
		_, err := a.Do(ctx, call(i))
		return err
	})
}

// Do makes one call and returns the answer's body.
func (a *API) Do(ctx context.Context, c Call) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, c.Method, a.base+c.Path, bytes.NewReader(c.Body))
	if err != nil {
		return nil, fmt.Errorf("call the API: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if len(c.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call the API: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the API's answer: %w", err)
	}
	if resp.StatusCode != c.Want {
		return nil, fmt.Errorf("%s %s answered %s: %s", c.Method, c.Path, resp.Status, text)
	}
	return text, nil
}
