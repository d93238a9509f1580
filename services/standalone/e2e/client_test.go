package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// client is a customer's back end that uses the API.
type client struct{ base, token string }

func newClient(t *testing.T, base, token string) *client {
	t.Helper()
	return &client{base: base, token: token}
}

// hook is a webhook as the API shows it.
type hook struct {
	ID            string
	Name          string
	URL           string
	Event         event.Type
	Secret        string
	Status        string
	FailureCount  int
	LastSentAt    *time.Time
	NextAttemptAt *time.Time
	HeldEvents    int64

	path string // of its URL, at the receiver
}

// call makes a request and fails the test unless it is answered with want. A
// body is sent as JSON; into takes the answer unless it is nil.
func (c *client) call(t *testing.T, method, path string, body any, want int, into any) {
	t.Helper()
	status, answer := c.request(t, method, path, body)
	if status != want {
		t.Fatalf("%s %s answered %d, want %d: %s", method, path, status, want, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

// try makes a request and returns the answer's status. into takes its body.
func (c *client) try(t *testing.T, method, path string, body, into any) (status int) {
	t.Helper()
	status, answer := c.request(t, method, path, body)
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
	return status
}

func (c *client) request(t *testing.T, method, path string, body any) (status int, answer []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, c.base+"/v1/organizations/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer
}

// create makes a webhook to a path of a receiver.
func (c *client) create(t *testing.T, receiverURL, path string, kind event.Type) hook {
	t.Helper()
	var made hook
	c.call(t, http.MethodPost, organization+"/webhooks", map[string]string{
		"name": "To " + path, "provider": "custom", "url": receiverURL + path, "event": string(kind),
	}, http.StatusCreated, &made)
	made.path = path
	return made
}

func (c *client) hook(t *testing.T, id string) hook {
	t.Helper()
	var h hook
	c.call(t, http.MethodGet, organization+"/webhooks/"+id, nil, http.StatusOK, &h)
	return h
}

func (c *client) setEvent(t *testing.T, id, kind string) {
	t.Helper()
	c.call(t, http.MethodPatch, organization+"/webhooks/"+id, map[string]string{"event": kind}, http.StatusOK, nil)
}

func (c *client) remove(t *testing.T, id string) {
	t.Helper()
	c.call(t, http.MethodDelete, organization+"/webhooks/"+id, nil, http.StatusNoContent, nil)
}

// heldBecome waits until this many events wait for a webhook.
func heldBecome(t *testing.T, c *client, id string, want int64) {
	t.Helper()
	await(t, "held events", func() error {
		if got := c.hook(t, id).HeldEvents; got != want {
			return fmt.Errorf("%d, not %d", got, want)
		}
		return nil
	})
}
