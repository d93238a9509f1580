package tester

import (
	"context"
	"slices"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
)

// capture keeps the one request that is sent through it.
type capture struct {
	sender    deliver.Sender
	userAgent string
	sent      egress.Request
}

// Send implements deliver.Sender.
func (c *capture) Send(ctx context.Context, r egress.Request) delivery.Outcome {
	r.Fields = append(slices.Clone(r.Fields), delivery.Field{Name: "User-Agent", Value: c.userAgent})
	c.sent = r
	return c.sender.Send(ctx, r)
}

// request returns the request, with masks for the values of the headers named.
func (c *capture) request(masked []string) delivery.Request {
	header := c.sent.Fields.Header()
	for _, name := range masked {
		if _, sent := header[name]; sent {
			header[name] = []string{webhook.HeaderMask}
		}
	}
	return delivery.Request{URL: c.sent.URL, Header: header, Body: c.sent.Body}
}
