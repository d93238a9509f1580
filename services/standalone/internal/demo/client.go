package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client is a customer of the HTTP API.
type client struct {
	base  string // http://host:port/v1/organizations/<org>
	token string
	http  *http.Client
}

func newClient(api, token, organization string) *client {
	return &client{
		base:  api + "/v1/organizations/" + organization,
		token: token,
		http:  &http.Client{Timeout: 30 * time.Second},
	}
}

// hook is a webhook as the API shows it.
type hook struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

// webhooks returns the organization's webhooks, all of them: the demo has few.
func (c *client) webhooks(ctx context.Context) ([]hook, error) {
	var page struct {
		Data []hook `json:"data"`
	}
	err := c.do(ctx, http.MethodGet, "/webhooks?limit=100", nil, &page)
	return page.Data, err
}

func (c *client) create(ctx context.Context, name, url, event string) (hook, error) {
	var made hook
	err := c.do(ctx, http.MethodPost, "/webhooks",
		map[string]string{"name": name, "provider": "custom", "url": url, "event": event}, &made)
	return made, err
}

func (c *client) move(ctx context.Context, id, url string) error {
	return c.do(ctx, http.MethodPatch, "/webhooks/"+id, map[string]string{"url": url}, nil)
}

func (c *client) secret(ctx context.Context, id string) (string, error) {
	var answer struct {
		Secret string `json:"secret"`
	}
	err := c.do(ctx, http.MethodGet, "/webhooks/"+id+"/secret", nil, &answer)
	return answer.Secret, err
}

func (c *client) publish(ctx context.Context, body []byte) error {
	return c.do(ctx, http.MethodPost, "/events", json.RawMessage(body), nil)
}

func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request to %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make request to %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}
