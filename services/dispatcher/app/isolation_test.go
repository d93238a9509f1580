package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// A webhook that hangs, with thousands of events, beside two hundred healthy
// ones: nobody waits for it (section 5.10). The figures are logged; the
// assertion fails only when somebody did wait.
//
//nolint:paralleltest // it measures, so it runs before the parallel ones
func TestAHangingWebhookDelaysNobody(t *testing.T) {
	const (
		webhooks = 200
		queued   = 5000
		timeout  = 3 * time.Second
	)
	s := newSystem(t)
	cfg := config(1000, never)
	cfg.DeliveryTimeout = timeout
	s.run(t, cfg)
	l := &load{system: s}
	healthy := newReceiver(t, l.receive)
	for i := range webhooks {
		s.webhook(t, organization(i), healthy.url)
	}
	hanging := newReceiver(t, hang)
	dead := s.webhook(t, "dead", hanging.url)
	l.run(t, "warm", webhooks, time.Second)

	alone := l.run(t, "alone", webhooks, 3*time.Second)
	published := make(chan error, 1)
	go func() { published <- flood(t, s.conn, "dead", queued) }()
	flooded := l.run(t, "flooded", webhooks, timeout)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.awaitHeld(t, dead, queued)
	beside := l.run(t, "beside", webhooks, 2*timeout) // its attempts time out, it is held, and its probe hangs

	a, b := percentile(alone, 99), percentile(beside, 99)
	t.Logf("alone %s; while %d events come in for the other %s; while it hangs %s (%.2f times)",
		figures(alone), queued, figures(flooded), figures(beside), float64(b)/float64(a))
	if b > timeout/2 {
		t.Errorf("p99 is %s beside a webhook that hangs for %s: somebody waits for it", b, timeout)
	}
	// What comes in takes its share of the machine, but not the endpoint's time:
	// waiting for that would take half a minute, with all places in use.
	if f := percentile(flooded, 99); f > 3*timeout {
		t.Errorf("p99 is %s while events come in for a webhook that hangs for %s", f, timeout)
	}
}

func figures(took []time.Duration) string {
	return fmt.Sprintf("p50 %s p99 %s of %d", percentile(took, 50), percentile(took, 99), len(took))
}

func organization(i int) string { return fmt.Sprintf("org_%d", i) }

func flood(t *testing.T, c *stream.Conn, organizationID string, n int) error {
	t.Helper()
	for i := range n {
		e := event.Sample(event.CallCompleted, organizationID, fmt.Sprintf("evt_flood_%d", i), time.Now())
		if err := c.Publish(t.Context(), e); err != nil {
			return err
		}
	}
	return nil
}

// load publishes at a steady rate and measures how long each event takes from
// its publishing to its receiver.
type load struct {
	system *system
	mu     sync.Mutex
	sent   map[string]time.Time
	took   []time.Duration
}

func (l *load) receive(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if at, ok := l.sent[id]; ok {
		l.took = append(l.took, time.Since(at))
		delete(l.sent, id)
	}
	w.WriteHeader(http.StatusNoContent)
}

// run publishes to the organizations in turn for d and waits until all has
// arrived.
func (l *load) run(t *testing.T, name string, organizations int, d time.Duration) []time.Duration {
	t.Helper()
	l.mu.Lock()
	l.sent, l.took = make(map[string]time.Time), nil
	l.mu.Unlock()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(d)
	for i := 0; time.Now().Before(end); i++ {
		<-tick.C
		id := strings.Join([]string{"evt", name, fmt.Sprint(i)}, "_")
		e := event.Sample(event.CallCompleted, organization(i%organizations), id, time.Now())
		l.mu.Lock()
		l.sent[id] = time.Now()
		l.mu.Unlock()
		if err := l.system.conn.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	await(t, name+" has arrived", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.sent) == 0
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.took)
}

func percentile(took []time.Duration, p int) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*p/100)].Round(10 * time.Microsecond)
}
