package natstest

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Stored returns everything that a stream of the server holds, oldest first.
func (s *Server) Stored(tb testing.TB, stream string) []*nats.Msg {
	tb.Helper()
	return Stored(tb, s.ClientURL(), stream)
}

// Stored returns everything that a stream of the server at url holds, oldest
// first.
func Stored(tb testing.TB, url, stream string) []*nats.Msg {
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
	opened, err := js.Stream(tb.Context(), stream)
	if err != nil {
		tb.Fatalf("open stream %s: %v", stream, err)
	}
	state := opened.CachedInfo().State
	messages := make([]*nats.Msg, 0, state.Msgs)
	for sequence := state.FirstSeq; uint64(len(messages)) < state.Msgs; sequence++ {
		m, err := opened.GetMsg(tb.Context(), sequence)
		if err != nil {
			tb.Fatalf("read message %d of %s: %v", sequence, stream, err)
		}
		messages = append(messages, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	}
	return messages
}
