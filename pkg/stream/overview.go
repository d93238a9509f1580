package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
)

// Overview is the state of the streams, the same for every replica that asks.
type Overview struct {
	Streams []StreamLevel

	// EventsPending is how many events were not handed out to a dispatcher yet,
	// EventsHeld how many were and are not acknowledged.
	EventsPending, EventsHeld uint64

	// OldestWaiting is when the oldest event that is not acknowledged was stored,
	// zero when there is none.
	OldestWaiting time.Time
}

// StreamLevel is how much a stream keeps.
type StreamLevel struct {
	Name            string
	Messages, Bytes uint64
	Limit           uint64 // bytes that it may keep, 0 for no bound
	Stored          uint64 // how many messages were ever stored
	Lacking         int    // copies in the cluster that are offline or behind
}

// Overview asks the broker. It returns a fault of kind Unavailable when the
// broker is away, or the streams are not made yet.
func (c *Conn) Overview(ctx context.Context) (Overview, error) {
	var o Overview
	for _, cfg := range (Topology{Replicas: 1}).streams() {
		s, err := c.js.Stream(ctx, cfg.Name)
		if err != nil {
			return Overview{}, fmt.Errorf("state of stream %s: %w", cfg.Name, unavailable(err))
		}
		o.Streams = append(o.Streams, level(s.CachedInfo()))
	}
	levels, err := c.levels(ctx)
	if err != nil {
		return Overview{}, err
	}
	for _, l := range levels {
		o.EventsPending += l.pending
		o.EventsHeld += l.held
		if l.pending+l.held == 0 {
			continue
		}
		oldest, err := c.storedAfter(ctx, l.floor, l.filter)
		if err != nil {
			return o, err
		}
		if o.OldestWaiting.IsZero() || !oldest.IsZero() && oldest.Before(o.OldestWaiting) {
			o.OldestWaiting = oldest
		}
	}
	return o, nil
}

func level(info *jetstream.StreamInfo) StreamLevel {
	l := StreamLevel{Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes, Limit: uint64(max(info.Config.MaxBytes, 0))}
	if before := max(info.Config.FirstSeq, 1) - 1; info.State.LastSeq > before {
		l.Stored = info.State.LastSeq - before
	}
	if info.Cluster != nil {
		for _, peer := range info.Cluster.Replicas {
			if peer.Offline || !peer.Current {
				l.Lacking++
			}
		}
	}
	return l
}

// storedAfter returns when the first event with a greater sequence was stored whose
// subject matches a filter,
// zero when there is none: the retention may have just removed it.
func (c *Conn) storedAfter(ctx context.Context, sequence uint64, filter string) (time.Time, error) {
	events, err := c.js.Stream(ctx, proto.StreamEvents)
	if err != nil {
		return time.Time{}, fmt.Errorf("open stream %s: %w", proto.StreamEvents, unavailable(err))
	}
	m, err := events.GetMsg(ctx, sequence+1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the oldest waiting event: %w", unavailable(err))
	}
	return m.Time, nil
}

// Link is the state of the connection.
type Link struct {
	Connected  bool
	Reconnects uint64 // how often it was lost and made again
	Publishing int    // events that wait to be published together; see Settings.SyncsAlways

	// CertificateExpires is when the server's certificate does, zero on a
	// connection without TLS.
	CertificateExpires time.Time
}

// Link returns the connection's state.
func (c *Conn) Link() Link {
	l := Link{Connected: c.nc.IsConnected(), Reconnects: c.reconnects()}
	if c.events != nil {
		l.Publishing = c.events.length()
	}
	if at := c.certificateExpires.Load(); at != nil {
		l.CertificateExpires = *at
	}
	return l
}

// noticeCertificate is an option that stores at each handshake when the server's
// certificate expires. Reading it from the client afterwards races with
// reconnecting (nats.go 1.55).
func (c *Conn) noticeCertificate(o *nats.Options) error {
	if o.TLSConfig == nil {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // as the client's own
	}
	o.TLSConfig.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 {
			c.certificateExpires.Store(&state.PeerCertificates[0].NotAfter)
		}
		return nil
	}
	return nil
}
