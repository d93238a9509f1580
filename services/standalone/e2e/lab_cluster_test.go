package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/services/hooklab/load"
)

// One of three NATS servers is cut off from the other two, with its clients on it.
// They connect elsewhere by themselves, and nothing that was accepted is lost.
func TestClientsLeaveAServerThatIsCutOff(t *testing.T) {
	t.Parallel()
	nodes, isolate := newCutNodes(t)
	s := newSystem(t, pgtest.Schema(t))
	urls := startNodes(t, nodes)
	s.with(map[string]string{"NATS_URL": strings.Join(urls, ","), "STREAM_REPLICAS": "3"})
	s.startAPI(t)
	s.startDispatcher(t)
	s.ready(t)
	c := s.client(t)
	h := s.onlyHook(t, c)
	l := newLedger(s.receiver, h)

	on := nodes[0]
	await(t, "the config API is on no server", func() error {
		for _, n := range nodes {
			if _, text, err := getWithin(fmt.Sprintf("http://127.0.0.1:%d/connz", n.watch), 2*time.Second); err == nil && strings.Contains(text, `"name": "config-api"`) {
				on = n
				return nil
			}
		}
		return errors.New("none")
	})
	mend := isolate(on)
	cut := time.Now()
	s.api.matching(t, `the NATS server does not answer for JetStream, connecting to another one`)
	ready(t, s.api)
	t.Logf("the config API was ready on another server %s after its own was cut off", time.Since(cut).Round(time.Millisecond))
	api := load.NewAPI(c.base, c.token, 4)
	t.Cleanup(api.Close)
	l.publish(t, 9, 50, 0, api)
	mend()
	s.ready(t)
	l.settled(t)
}

// newCutNodes returns a cluster of three servers that are not running, and what cuts
// one off from the two others until it is mended.
func newCutNodes(t *testing.T) (nodes []*node, isolate func(*node) (mend func())) {
	t.Helper()
	net, nodes := newNetwork(t), newNodes(t, 3, false)
	for i, n := range nodes {
		var routes []string
		for j, other := range nodes {
			if i != j {
				routes = append(routes, "nats://127.0.0.1:"+net.lay(between(n, other), other.route)[0])
			}
		}
		text := fmt.Sprintf(`server_name: %s
listen: 127.0.0.1:%d
http: 127.0.0.1:%d
jetstream { store_dir: %q, max_file_store: 4GB }
cluster { name: lab, listen: 127.0.0.1:%d, no_advertise: true, routes: [%s] }
`, n.name, n.client, n.watch, filepath.Join(n.dir, "data"), n.route, strings.Join(routes, ", "))
		if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return nodes, func(n *node) func() {
		var mends []func()
		for _, other := range nodes {
			if other != n {
				mends = append(mends, net.cut(between(n, other)), net.cut(between(other, n)))
			}
		}
		return func() {
			for _, mend := range mends {
				mend()
			}
		}
	}
}

func between(from, to *node) string { return from.name + " to " + to.name }
