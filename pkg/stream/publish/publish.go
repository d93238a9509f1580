// Package publish is for platform services: it publishes events so that they
// reach customers' webhooks.
//
// An event is checked before it is sent, and stored when Publish returns. A second
// one with the same id of the same organization is the same event and is not
// delivered again, for as long as events are kept: after an error that leaves
// doubt, publish it again. Ids that event.NewID makes cost a dispatcher least, since
// they say since when the event can exist.
package publish

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

// Publisher publishes events. Safe for concurrent use.
type Publisher struct{ conn *stream.Conn }

// Options say how to reach NATS.
type Options struct {
	URL     string       // nats://…, comma separated for a cluster
	Service string       // the publishing service; shown in the server's list of connections
	Log     *slog.Logger // for lost connections; nil for none

	// Security is how the service authenticates itself: a user and password, a creds
	// file or an nkey, and the server's CA. Services need the permissions of the
	// user "publisher" in deploy/nats, and no others.
	Security stream.Security

	// SyncsAlways says that the NATS server syncs before it acknowledges
	// (sync_interval: always), as that of deploy/nats does. Events that are
	// published at the same time then share a sync.
	SyncsAlways bool

	// Inbox begins the subjects of acknowledgements; "_INBOX_publisher", which
	// deploy/nats allows publishers, when empty.
	Inbox string
}

// Open starts connecting and returns at once; it reconnects for as long as the
// publisher is open. It returns an error for settings that can never work.
func Open(o Options) (*Publisher, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conn, err := stream.Connect(stream.Settings{
		URL: o.URL, Name: o.Service, Security: o.Security, Inbox: cmp.Or(o.Inbox, "_INBOX_publisher"), SyncsAlways: o.SyncsAlways,
	}, log)
	if err != nil {
		return nil, fmt.Errorf("open publisher: %w", err)
	}
	return &Publisher{conn: conn}, nil
}

// Close closes the connection.
func (p *Publisher) Close() { p.conn.Close() }

// Publish publishes a typed event, as protobuf, and returns when it is stored. The
// event's deliveries are in the trace of ctx's OpenTelemetry span.
//
// For a wrong event it returns a *fault.Error of kind Invalid that names each
// field; while the broker is away, one of kind Unavailable.
func (p *Publisher) Publish(ctx context.Context, e *webhooksv1.Event) error {
	message, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("write event %s: %w", e.GetId(), err)
	}
	checked, err := event.ParseProto(message)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.GetId(), err)
	}
	return p.conn.PublishProto(ctx, checked, message)
}

// PublishJSON publishes an event written as the documented JSON and returns
// when it is stored. Its errors are those of Publish.
func (p *Publisher) PublishJSON(ctx context.Context, text []byte) error {
	e, err := event.ParseJSON(text)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return p.conn.Publish(ctx, e)
}
