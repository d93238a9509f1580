package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// ceiling is the most memory that a service may use in the tests below.
const ceiling = 200 << 20

// A thousand receivers do what they can to cost a dispatcher something, all at
// once, and go on for longer than a deadline. It stays small, and two hundred
// healthy receivers get their events as if they were alone.
//
//nolint:paralleltest // it compares times: the tests that run side by side come after it
func TestAThousandHostileReceivers(t *testing.T) {
	const (
		organizations, each = 10, 100
		healthy             = 200
		rounds              = 7
		deadline            = 30 * time.Second
		between             = deadline / 6 // rounds: the last begins at the end of the first one's deadline
	)
	s := newSystem(t, ownPostgres(t).DSN())
	s.with(map[string]string{"MAX_IN_FLIGHT": "512", "RETRY_SCHEDULE": "10s,5m,30m,2h,5h", "DELIVERY_TIMEOUT": deadline.String()})
	s.run(t, 1)
	c, conn := s.client(t), s.connect(t)
	l := newSteadyLoad(t, s, healthy)
	hostile := []string{"hang", "drip/20ms", "bomb", "endless-headers", "endless-informational", "big/1000000000"}
	for org := range organizations {
		for n := range each {
			c.call(t, http.MethodPost, fmt.Sprintf("hostile-%d/webhooks", org), map[string]string{
				"name": "Hostile", "provider": "custom", "event": "call.completed",
				"url": fmt.Sprintf("%s/%s/%d-%d", s.receiverURL, hostile[n%len(hostile)], org, n),
			}, http.StatusCreated, nil)
		}
	}
	l.run(t, "warm", time.Second)
	before := l.run(t, "before", 10*time.Second)

	var attack sync.WaitGroup
	attack.Go(func() {
		round := time.NewTicker(between)
		defer round.Stop()
		for n := range rounds {
			for org := range organizations {
				e := event.Sample(event.CallCompleted, fmt.Sprintf("hostile-%d", org), fmt.Sprintf("evt_hostile_%d", n), time.Now())
				if err := conn.Publish(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
			}
			<-round.C
		}
	})
	beside := l.run(t, "beside", rounds*between)
	inFlight := s.receiver.Counts("").InFlight
	attack.Wait()
	await(t, "all of them", func() error {
		if met := len(s.receiver.Totals().Paths); met < organizations*each {
			return fmt.Errorf("%d were met", met)
		}
		return nil
	})
	used := memory(t, s.dispatchers[0])
	t.Logf("the dispatcher used %d MiB at most, with %d hostile requests, of which %d at once in the end; healthy ones took %s before, %s beside",
		used>>20, s.receiver.Counts("").Requests, inFlight, figures(before), figures(beside))
	if used > ceiling {
		t.Errorf("the dispatcher used %d MiB, more than %d", used>>20, ceiling>>20)
	}
	const noise = 10 * time.Millisecond
	if got, limit := median(beside), max(median(before), noise)*3/2; got > limit {
		t.Errorf("half of the healthy deliveries took more than %s, without hostile ones %s", got, median(before))
	}
	// Each round is a thousand requests at once, and the receivers work on the
	// same cores: what a delivery waits for is the machine, and how long depends on
	// what else it does. A place that a hostile one kept would be waited for until its
	// deadline.
	if got, most := p99(beside), deadline/6; got > most {
		t.Errorf("p99 is %s, more than %s", got, most)
	}
	if problems := s.dispatchers[0].log.troubles(); len(problems) > 0 {
		t.Errorf("the dispatcher is in trouble: %v", problems[0])
	}
}

// A thousand connections that send nothing, or a little and then nothing, cost the
// API little, and do not affect other clients.
func TestAThousandConnectionsThatSendNothing(t *testing.T) {
	t.Parallel()
	s := startStandalone(t, t.TempDir(), map[string]string{"RATE_LIMIT": "0"})
	before := memory(t, s.process)
	addr := strings.TrimPrefix(s.client.base, "http://")
	const silent = 1000
	open := make([]net.Conn, 0, silent)
	for n := range silent {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if n%2 == 1 {
			if _, err := io.WriteString(c, "POST /v1/organizations/acme/events HTTP/1.1\r\nHost: x\r\nX-Padding: "+strings.Repeat("a", 4000)); err != nil {
				t.Fatal(err)
			}
		}
		open = append(open, c)
	}
	for n := range 200 {
		s.client.call(t, http.MethodGet, organization+"/webhooks", nil, http.StatusOK, nil)
		if n == 100 {
			s.client.create(t, "https://hooks.example.com", "/crm", event.CallCompleted)
		}
	}
	used := memory(t, s.process)
	t.Logf("standalone used %d MiB before and %d MiB with %d silent connections", before>>20, used>>20, silent)
	if used > ceiling {
		t.Errorf("standalone used %d MiB, more than %d", used>>20, ceiling>>20)
	}
	// They are not kept for ever: the server ends each by itself.
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, bufio.NewReader(c)); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("a silent connection is still open: %v", err)
		}
	}
	s.stop(t)
}

// As many connections as a client can open, without a credential, each of which
// announces a body and sends none: other clients' requests are answered, whether the
// connections come from one client network or from as many as there are connections.
func TestConnectionsThatAnnounceABodyAndSendNone(t *testing.T) {
	t.Parallel()
	const connections = 4400 // more than a server has
	s := startStandalone(t, t.TempDir(), map[string]string{"RATE_LIMIT": "0"})
	addr := strings.TrimPrefix(s.client.base, "http://")
	announce := []string{
		"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"POST /v1/organizations/acme/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"POST /portal/webhooks/new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
	}
	for name, from := range map[string]func(n int) net.IP{
		"from one network":  func(int) net.IP { return net.IPv4(127, 0, 0, 2) },
		"each from its own": func(n int) net.IP { return net.IPv4(127, 1, byte(n>>8), byte(n)) },
		"from ours":         func(int) net.IP { return net.IPv4(127, 0, 0, 1) },
	} {
		var open []net.Conn
		for n := range connections {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from(n)}}
			c, err := d.DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatalf("%s, connection %d: %v", name, n, err)
			}
			open = append(open, c)
			_, _ = io.WriteString(c, announce[n%len(announce)]) // it may have been displaced
		}
		for range 200 {
			s.client.call(t, http.MethodGet, organization+"/webhooks", nil, http.StatusOK, nil)
		}
		t.Logf("%s: standalone uses %d MiB", name, memory(t, s.process)>>20)
		for _, c := range open {
			_ = c.Close()
		}
	}
	s.stop(t)
}
