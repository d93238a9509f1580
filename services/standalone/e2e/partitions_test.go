package e2e_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/load"
)

// The partitions' consumers of a cluster have their leaders on several servers, and
// an operator changes the number of partitions while events are published and a
// dispatcher is killed. Nothing is lost, and nothing comes twice but what was in
// flight when the dispatcher was killed.
func TestPartitionsOfACluster(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 3, false)
	urls := startNodes(t, nodes)
	s := newSystem(t, pgtest.Schema(t))
	s.with(map[string]string{"NATS_URL": strings.Join(urls, ","), "STREAM_REPLICAS": "3"})
	s.startAPI(t)
	s.startDispatcher(t)
	s.startDispatcher(t)
	s.ready(t)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)
	leads := func(partitions int) {
		t.Helper()
		leaders := natstest.Leaders(t, urls[0], proto.StreamEvents)
		on := make(map[string]int)
		for _, server := range leaders {
			on[server]++
		}
		t.Logf("%d consumers, whose leaders are on %v", len(leaders), on)
		if len(on) < 2 {
			t.Errorf("the leaders of %v are on %v", slices.Sorted(maps.Keys(leaders)), on)
		}
		s.command(t, 0, s.api, "config-api", "partitions", strconv.Itoa(partitions)+" partitions")
	}
	leads(8)
	api := load.NewAPI(c.base, c.token, 4)
	t.Cleanup(api.Close)
	var publishing sync.WaitGroup
	publishing.Go(func() { l.publish(t, 23, 1500, 25, api) })
	s.command(t, 0, s.api, "config-api", "partitions -set 16", `divided into 16 partitions`)
	leads(16)
	before := l.duplicates()
	s.dispatchers[0].kill(t)
	s.command(t, 0, s.api, "config-api", "partitions -set 3", `divided into 3 partitions`)
	leads(3)
	publishing.Wait()
	l.settled(t)
	t.Logf("%d deliveries; %d came twice before a dispatcher was killed, %d in all", len(l.debts()), before, l.duplicates())
	if before > 0 {
		t.Errorf("%d deliveries came twice while nothing was killed", before)
	}
}
