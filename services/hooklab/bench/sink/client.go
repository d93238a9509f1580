package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client asks a receiver in another process.
type Client struct {
	Places

	http *http.Client
}

// NewClient returns a client of the receiver that listens at these places.
func NewClient(p Places) *Client {
	return &Client{Places: p, http: &http.Client{Transport: &http.Transport{}}}
}

// Expect makes the receiver forget what came and begin to record for a plan.
func (c *Client) Expect(ctx context.Context, p Plan) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return c.do(ctx, http.MethodPost, pathExpect, text, nil)
}

// Wait returns what came when everything has. It returns an error when nothing
// has come for patience.
func (c *Client) Wait(ctx context.Context, slots int, patience time.Duration) (Counts, error) {
	var before int64
	moved := time.Now()
	for {
		var counts Counts
		if err := c.do(ctx, http.MethodGet, pathCounts+"?wait=1s", nil, &counts); err != nil {
			return counts, err
		}
		if counts.Arrived >= int64(slots) {
			return counts, nil
		}
		if counts.Arrived != before {
			before, moved = counts.Arrived, time.Now()
		}
		if time.Since(moved) > patience {
			return counts, fmt.Errorf("%d of %d deliveries arrived, and then none for %s", counts.Arrived, slots, patience)
		}
	}
}

// Times returns when each slot was filled, in Unix nanoseconds, 0 for not.
func (c *Client) Times(ctx context.Context) ([]int64, error) {
	var times []int64
	err := c.do(ctx, http.MethodGet, pathTimes, nil, &times)
	return times, err
}

// Marks returns when each Mark-th slot was filled, in Unix nanoseconds.
func (c *Client) Marks(ctx context.Context) ([]int64, error) {
	var marks []int64
	err := c.do(ctx, http.MethodGet, pathMarks, nil, &marks)
	return marks, err
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.Control+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the receiver: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the receiver: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the receiver answered %s to %s", resp.Status, path)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("read the receiver's answer: %w", err)
	}
	return nil
}
