package stream

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/proto"
)

// The file has the streams' configuration beside its version, so that a change of
// one is seen beside the other.
func TestTheTopologyHasAVersion(t *testing.T) {
	t.Parallel()
	streams := Topology{Retention: 168 * time.Hour, Replicas: 3, Events: 80 << 30}.streams()
	streams[0] = divided(streams[0], nil)
	one := division{Number: 1, Partitions: 2}.consumers()
	text, err := json.MarshalIndent(struct {
		Version   int
		Streams   []jetstream.StreamConfig
		Consumers map[string][]jetstream.ConsumerConfig
	}{topologyVersion, streams, map[string][]jetstream.ConsumerConfig{
		proto.StreamEvents: {
			dispatchersConsumer(one[0].name, one[0].filter, 0), dispatchersConsumer(one[1].name, one[1].filter, 0),
			dispatchersConsumer(one[2].name, one[2].filter, 7),
		},
		proto.StreamFarewells: {unsubscribeConsumer()},
	}}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("testdata/topology.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(text, '\n'), kept) {
		t.Errorf("the topology is not the one of testdata/topology.json: raise topologyVersion once after a release, and put this there:\n%s", text)
	}
}

// A program of the version before, which starts during an upgrade, undoes
// nothing; one of this version updates what an earlier one made.
func TestALaterTopologyIsLeftAlone(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c, err := Connect(Settings{URL: srv.ClientURL(), Name: t.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for version, want := range map[string]time.Duration{"": time.Hour, "0": time.Hour, "1": time.Hour, "3": time.Hour, "4": time.Hour, "5": time.Hour, "6": time.Hour, "7": 2 * time.Hour, "x": time.Hour} {
		later := jetstream.StreamConfig{
			Name: proto.StreamRejected, Subjects: []string{proto.PrefixRejected + ".>", "dialnote.added"}, MaxAge: 2 * time.Hour,
			Discard: jetstream.DiscardOld, MaxBytes: DefaultRejected, Metadata: map[string]string{topologyKey: version},
		}
		if _, err := c.js.CreateOrUpdateStream(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.Ensure(t.Context(), Topology{Retention: time.Hour, Replicas: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if kept := srv.Kept(t, proto.StreamRejected); kept != want {
			t.Errorf("after version %q messages are kept for %s, want %s", version, kept, want)
		}
		if kept := srv.Kept(t, proto.StreamNotices); kept != time.Hour {
			t.Errorf("the other streams keep messages for %s", kept)
		}
	}
}
