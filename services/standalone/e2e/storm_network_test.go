package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is what lies between services and what they stand on: each service
// has a way of its own to each NATS server and to Postgres, so that one can be
// cut off alone.
type network struct {
	t      *testing.T
	server *toxiproxy.ApiServer
	ways   map[string][]*toxiproxy.Proxy // by "service to nats" and "service to postgres"
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.New(io.Discard))
	return &network{t: t, server: server, ways: map[string][]*toxiproxy.Proxy{}}
}

// lay makes the ways from a service to some ports and returns the ports where
// they begin.
func (n *network) lay(way string, ports ...int) []string {
	n.t.Helper()
	var begin []string
	for i, port := range ports {
		p := toxiproxy.NewProxy(n.server, fmt.Sprintf("%s %d", way, i), "127.0.0.1:"+strconv.Itoa(freePort(n.t)), "127.0.0.1:"+strconv.Itoa(port))
		if err := p.Start(); err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(p.Stop)
		n.ways[way] = append(n.ways[way], p)
		_, at, err := net.SplitHostPort(p.Listen)
		if err != nil {
			n.t.Fatal(err)
		}
		begin = append(begin, at)
	}
	return begin
}

// cut ends a way's connections and refuses new ones until it is mended.
func (n *network) cut(way string) (mend func()) {
	for _, p := range n.ways[way] {
		p.Stop()
	}
	return func() {
		n.t.Helper()
		for _, p := range n.ways[way] {
			if err := p.Start(); err != nil {
				n.t.Fatalf("mend %s: %v", way, err)
			}
		}
	}
}

// spoil puts a toxic on a way, in both directions, until it is mended.
func (n *network) spoil(way, toxic, attributes string) (mend func()) {
	n.t.Helper()
	directions := []string{"upstream", "downstream"}
	for _, p := range n.ways[way] {
		for _, direction := range directions {
			text := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, toxic+direction, toxic, direction, attributes)
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
				n.t.Fatalf("spoil %s: %v", way, err)
			}
		}
	}
	return func() {
		n.t.Helper()
		for _, p := range n.ways[way] {
			for _, direction := range directions {
				if err := p.Toxics.RemoveToxic(context.Background(), toxic+direction); err != nil {
					n.t.Fatalf("mend %s: %v", way, err)
				}
			}
		}
	}
}
