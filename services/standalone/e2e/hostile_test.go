package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// ceiling is the most memory that a service may use in the tests below.
const ceiling = 200 << 20

// A thousand receivers do what they can to cost a dispatcher something, all at
// once. It stays small, and a healthy receiver hears of its events as if there
// were nobody else: none waits for a hostile attempt to end.
func TestAThousandHostileReceivers(t *testing.T) {
	t.Parallel()
	const organizations, each, deadline = 10, 100, 20 * time.Second
	s := newSystem(t, ownPostgres(t).DSN())
	s.with(map[string]string{"MAX_IN_FLIGHT": "512", "DELIVERY_TIMEOUT": deadline.String(), "RETRY_SCHEDULE": "10s,5m,30m,2h,5h"})
	s.run(t, 1)
	c, conn := s.client(t), s.connect(t)
	well := c.create(t, s.receiverURL, "/well", event.NoteCreated)
	hostile := []string{"hang", "drip/20ms", "bomb", "endless-headers", "endless-informational", "big/1000000000"}
	for org := range organizations {
		for n := range each {
			c.call(t, http.MethodPost, fmt.Sprintf("hostile-%d/webhooks", org), map[string]string{
				"name": "Hostile", "provider": "custom", "event": "call.completed",
				"url": fmt.Sprintf("%s/%s/%d-%d", s.receiverURL, hostile[n%len(hostile)], org, n),
			}, http.StatusCreated, nil)
		}
	}
	s.latency(t, conn, well, "before", 20)

	for round := range 3 {
		for org := range organizations {
			e := event.Sample(event.CallCompleted, fmt.Sprintf("hostile-%d", org), fmt.Sprintf("evt_hostile_%d", round), time.Now())
			if err := conn.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, "the hostile receivers", func() error {
		if n := s.receiver.Counts("").InFlight; n < 64 {
			return fmt.Errorf("%d requests are in flight", n)
		}
		return nil
	})
	beside := s.latency(t, conn, well, "beside", 200)
	if beside >= deadline {
		t.Errorf("a healthy delivery took %s: it waited for a hostile one", beside)
	}
	// Each of the thousand has been met at least once.
	await(t, "all of them", func() error {
		met := 0
		for path := range s.receiver.Totals().Paths {
			if path != well.path {
				met++
			}
		}
		if met < organizations*each {
			return fmt.Errorf("%d were met", met)
		}
		return nil
	})
	used := memory(t, s.dispatchers[0])
	t.Logf("the dispatcher used %d MiB at most; a healthy webhook's p99 beside the hostile ones was %s, with %d requests made to them",
		used>>20, beside, s.receiver.Counts("").Requests)
	if used > ceiling {
		t.Errorf("the dispatcher used %d MiB, more than %d", used>>20, ceiling>>20)
	}
	if problems := s.dispatchers[0].log.troubles(); len(problems) > 0 {
		t.Errorf("the dispatcher is in trouble: %v", problems[0])
	}
}

// A thousand connections that send nothing, or a little and then nothing, cost
// the API little, and nobody else notices them.
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
