package listener

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/event"
)

// maxLine bounds a line of the stream: an event with its data of 64 KiB.
const maxLine = 256 << 10

// refusedError is an answer that trying again does not change, like 401.
type refusedError struct{ detail string }

// Error returns what the API says.
func (e *refusedError) Error() string { return e.detail }

// source reads an organization's events from the API.
type source struct {
	client *http.Client
	base   string
	key    string
	org    string
	kind   event.Type // "" for all
	place  string     // of the last event, "" before the first
}

// read opens the stream and calls handle for each event until it ends. begun is
// called when it is open.
func (s *source) read(ctx context.Context, begun func(), handle func(event.Event)) error {
	target := s.base + "/v1/organizations/" + url.PathEscape(s.org) + "/events"
	if s.kind != "" {
		target += "?type=" + url.QueryEscape(string(s.kind))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return &refusedError{err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Accept", "text/event-stream")
	if s.place != "" {
		req.Header.Set("Last-Event-ID", s.place)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("reach the API: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return s.follow(resp.Body, begun, handle)
}

// follow reads server-sent events. An event that cannot be read is passed over.
func (s *source) follow(body io.Reader, begun func(), handle func(event.Event)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var place, name, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			place = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			s.dispatch(name, data, begun, handle)
			if place != "" {
				s.place = place // only now: what was cut off comes again
			}
			name, data = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	return io.EOF
}

func (s *source) dispatch(name, data string, begun func(), handle func(event.Event)) {
	switch name {
	case "begun":
		begun()
	case "event":
		if e, err := event.ParseJSON([]byte(data)); err == nil {
			handle(e)
		}
	}
}

// refusal returns an answer other than 200 as an error.
func refusal(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	var problem struct{ Detail string }
	if err := json.Unmarshal(text, &problem); err != nil || problem.Detail == "" {
		problem.Detail = http.StatusText(resp.StatusCode)
	}
	detail := fmt.Sprintf("the API answered %d: %s", resp.StatusCode, problem.Detail)
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return errors.New(detail)
	}
	return &refusedError{detail}
}

// pause returns how long to wait before the stream is opened again after so many
// failures in a row.
func pause(failures int) time.Duration {
	const first, most = 250 * time.Millisecond, 15 * time.Second
	return backoff.Exponential(first, most, failures)
}
