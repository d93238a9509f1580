package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

// API publishes through the HTTP API. Make one with NewAPI.
type API struct {
	base   string
	token  string
	client *http.Client
}

// NewAPI returns a publisher for the API at base, such as
// "http://localhost:8080", with a service token or an organization's key. It
// keeps up to concurrency connections open.
func NewAPI(base, token string, concurrency int) *API {
	return &API{
		base:  strings.TrimSuffix(base, "/"),
		token: token,
		client: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, IdleConnTimeout: time.Minute},
		},
	}
}

// Close closes the idle connections.
func (a *API) Close() { a.client.CloseIdleConnections() }

// Publish posts an event and returns nil when it was answered with 202. Its
// error is a *fault.Error of kind Unavailable when there was no answer or a
// 502, 503 or 504, and of kind RateLimited for a 429.
func (a *API) Publish(ctx context.Context, e event.Event) error {
	target := a.base + "/v1/organizations/" + url.PathEscape(e.OrganizationID) + "/events"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(e.Body()))
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		unreachable := fault.New(fault.Unavailable, "api-unreachable", "The API does not answer.")
		return fmt.Errorf("publish event %s: %w", e.ID, unreachable.Because(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil && resp.StatusCode == http.StatusAccepted {
		err = nil // stored: the rest of the answer does not matter
	}
	if err != nil {
		return fmt.Errorf("publish event %s: read the answer: %w", e.ID, err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("publish event %s: %w", e.ID, refusal(resp.StatusCode, answer))
	}
	return nil
}

// refusal returns what the API answered as an error.
func refusal(status int, answer []byte) *fault.Error {
	var problem struct{ Detail string }
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Detail == "" {
		problem.Detail = strings.TrimSpace(string(answer[:min(len(answer), 200)]))
	}
	kind := fault.Internal
	switch status {
	case http.StatusTooManyRequests:
		kind = fault.RateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		kind = fault.Unavailable
	}
	return fault.Newf(kind, "api-refused", "The API answered %d: %s", status, problem.Detail)
}
