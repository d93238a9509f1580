package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// connected uses what Zapier and the listener use of the broker: samples from
// the stored events, an unsubscribe request, and events as they come. The system takes its
// receiver for Zapier.
func (s *system) connected(t *testing.T, c *client, stored string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var key struct{ Key string }
	c.call(t, http.MethodGet, organization+"/zapier-key", nil, http.StatusOK, &key)
	zapier := func(method, path, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, c.base+"/v1/zapier/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-DIALNOTE-API-KEY", key.Key)
		req.Header.Set("Content-Type", "application/json")
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= http.StatusMultipleChoices {
			t.Fatalf("%s %s answered %d %s, %v", method, path, res.StatusCode, text, err)
		}
		return string(text)
	}
	if samples := zapier(http.MethodGet, "samples/call.completed", ""); !strings.Contains(samples, `"`+stored+`"`) {
		t.Errorf("the samples are %s", samples)
	}
	var made hook
	if err := json.Unmarshal([]byte(zapier(http.MethodPost, "hooks", `{"targetUrl":"`+s.receiverURL+`/zap","event":"note.created"}`)), &made); err != nil {
		t.Fatal(err)
	}
	c.remove(t, made.ID)
	if _, err := s.receiver.WaitRequest(ctx, func(r receiver.Request) bool { return r.Method == http.MethodDelete && r.Path == "/zap" }); err != nil {
		t.Errorf("Zapier was not unsubscribed: %v", err)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/organizations/"+organization+"/events?type=note.created", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		switch line := lines.Text(); {
		case line == "event: begun":
			c.call(t, http.MethodPost, organization+"/events", map[string]any{
				"id": "evt_followed", "type": event.NoteCreated,
				"data": map[string]string{"noteId": "n", "conversationId": "c", "body": "b", "authorId": "a", "createdAt": "2026-11-23T10:00:00Z"},
			}, http.StatusAccepted, nil)
		case strings.HasPrefix(line, "data: ") && strings.Contains(line, `"evt_followed"`):
			return
		}
	}
	t.Error("the event was not sent to the follower")
}
