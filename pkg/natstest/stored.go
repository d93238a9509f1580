package natstest

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Stored returns everything that a stream of the server holds, oldest first.
func (s *Server) Stored(tb testing.TB, stream string) []*nats.Msg {
	tb.Helper()
	return Stored(tb, s.ClientURL(), stream)
}

// StoredAs is Stored with what the server wants of a client.
func (s *Server) StoredAs(tb testing.TB, credentials nats.Option, stream string) []*nats.Msg {
	tb.Helper()
	return Stored(tb, s.ClientURL(), stream, credentials)
}

// Stored returns everything that a stream of the server at url holds, oldest
// first. What is removed while it reads is not in it.
func Stored(tb testing.TB, url, stream string, opts ...nats.Option) []*nats.Msg {
	tb.Helper()
	opened, closed := open(tb, url, stream, opts...)
	defer closed()
	state := opened.CachedInfo().State
	messages := make([]*nats.Msg, 0, state.Msgs)
	for sequence := state.FirstSeq; uint64(len(messages)) < state.Msgs && sequence <= state.LastSeq; sequence++ {
		m, err := opened.GetMsg(tb.Context(), sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			tb.Fatalf("read message %d of %s: %v", sequence, stream, err)
		}
		messages = append(messages, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	}
	return messages
}

// Kept returns for how long a stream of the server keeps messages.
func (s *Server) Kept(tb testing.TB, stream string) time.Duration {
	tb.Helper()
	opened, closed := open(tb, s.ClientURL(), stream)
	defer closed()
	return opened.CachedInfo().Config.MaxAge
}

// open opens a stream over a connection of its own, which closed ends.
func open(tb testing.TB, url, stream string, opts ...nats.Option) (opened jetstream.Stream, closed func()) {
	tb.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		tb.Fatalf("connect to NATS: %v", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		tb.Fatalf("open JetStream: %v", err)
	}
	if opened, err = js.Stream(tb.Context(), stream); err != nil {
		nc.Close()
		tb.Fatalf("open stream %s: %v", stream, err)
	}
	return opened, nc.Close
}

// Publish stores a message in the stream of its subject, as a program that only
// knows NATS does, under a Nats-Msg-Id unless it is "". The server may take it for a
// duplicate.
func (s *Server) Publish(tb testing.TB, subject, messageID string, data []byte) {
	tb.Helper()
	msg := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: data}
	if messageID != "" {
		msg.Header.Set(jetstream.MsgIDHeader, messageID)
	}
	administer(tb, s.ClientURL(), "publish to "+subject, func(js jetstream.JetStream) error {
		_, err := js.PublishMsg(tb.Context(), msg)
		return err //nolint:wrapcheck // administer says what was done
	})
}

// Remove removes a message of a stream.
func (s *Server) Remove(tb testing.TB, stream string, sequence uint64) {
	tb.Helper()
	opened, closed := open(tb, s.ClientURL(), stream)
	defer closed()
	if err := opened.DeleteMsg(tb.Context(), sequence); err != nil {
		tb.Fatalf("remove message %d of %s: %v", sequence, stream, err)
	}
}

// DeleteStream deletes a stream of the server at url, as an operator does.
func DeleteStream(tb testing.TB, url, stream string) {
	tb.Helper()
	administer(tb, url, "delete stream "+stream, func(js jetstream.JetStream) error { return js.DeleteStream(tb.Context(), stream) })
}

// DeleteConsumer deletes a consumer of the server at url, as an operator does.
func DeleteConsumer(tb testing.TB, url, stream, consumer string) {
	tb.Helper()
	administer(tb, url, "delete consumer "+consumer, func(js jetstream.JetStream) error {
		return js.DeleteConsumer(tb.Context(), stream, consumer)
	})
}

func administer(tb testing.TB, url, what string, do func(jetstream.JetStream) error) {
	tb.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		tb.Fatalf("connect to NATS: %v", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatalf("open JetStream: %v", err)
	}
	if err := do(js); err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
}

// StreamConfig is a stream's configuration on the server.
type StreamConfig = jetstream.StreamConfig

// Edit changes a stream of the server, as an operator does by hand.
func (s *Server) Edit(tb testing.TB, stream string, change func(*StreamConfig)) {
	tb.Helper()
	opened, closed := open(tb, s.ClientURL(), stream)
	cfg := opened.CachedInfo().Config
	closed()
	change(&cfg)
	administer(tb, s.ClientURL(), "edit stream "+stream, func(js jetstream.JetStream) error {
		_, err := js.UpdateStream(tb.Context(), cfg)
		return err //nolint:wrapcheck // administer says what was done
	})
}

// Earlier makes a stream with nothing but subjects and the consumer dispatchers, as
// an earlier version of the services did.
func (s *Server) Earlier(tb testing.TB, stream, subjects string) {
	tb.Helper()
	administer(tb, s.ClientURL(), "make stream "+stream, func(js jetstream.JetStream) error {
		made, err := js.CreateStream(tb.Context(), jetstream.StreamConfig{
			Name: stream, Subjects: []string{subjects}, MaxAge: time.Hour, AllowDirect: true, Metadata: map[string]string{"dialnote.topology": "4"},
		})
		if err != nil {
			return err //nolint:wrapcheck // administer says what was done
		}
		_, err = made.CreateConsumer(tb.Context(), jetstream.ConsumerConfig{Durable: "dispatchers", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 15 * time.Second, MaxAckPending: 65_536})
		return err //nolint:wrapcheck // administer says what was done
	})
}

// Leaders returns which server of a cluster leads each consumer of a stream.
func Leaders(tb testing.TB, url, stream string) map[string]string {
	tb.Helper()
	opened, closed := open(tb, url, stream)
	defer closed()
	leaders := make(map[string]string)
	list := opened.ListConsumers(tb.Context())
	for info := range list.Info() {
		if info.Cluster != nil {
			leaders[info.Name] = info.Cluster.Leader
		}
	}
	if err := list.Err(); err != nil {
		tb.Fatalf("list the consumers of %s: %v", stream, err)
	}
	return leaders
}
