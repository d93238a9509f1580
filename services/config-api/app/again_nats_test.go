package app_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
)

// overNATS is the system with a real broker.
func (s *system) overNATS(t *testing.T) (*system, *stream.Conn, *natstest.Server) {
	t.Helper()
	server := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: server.ClientURL(), Name: t.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Replicas: 1, Retention: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	fleet, err := conn.WatchFleet()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	deps := s.dependencies()
	deps.Stream, deps.Fleet = conn, fleet
	return s.serve(t, deps), conn, server
}

func TestWhatIsAskedForOverNATS(t *testing.T) {
	t.Parallel()
	s, conn, server := start(t).overNATS(t)
	id := s.create(t)
	w, err := s.store.Get(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}

	// There is no dispatcher to make a test.
	p := s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/test"}).problem(t, http.StatusServiceUnavailable)
	if p.Type != "urn:dialnote:problem:no-dispatcher" {
		t.Errorf("got %+v", p)
	}

	// An event that is kept goes into the webhook's lane, as a reference.
	const text = `{"id":"mine","type":"call.completed","data":{"callSid":"CA1","direction":"inbound","phoneNumber":"+15550100123","status":"busy","duration":0}}`
	for _, body := range []string{noteEvent, text} {
		s.do(t, call{method: http.MethodPost, path: events, body: body}).want(t, http.StatusAccepted)
	}
	deliveryID := delivery.ID(id, "mine")
	s.deliver(t, id, deliveryID, func(a *delivery.Attempt) { a.EventID, a.EventSequence = "mine", 2 })
	path := webhooks + "/" + id + "/deliveries/" + deliveryID + "/redeliver"
	for range 2 { // two requests are two
		s.do(t, call{method: http.MethodPost, path: path}).want(t, http.StatusAccepted)
	}
	lane, err := conn.OpenLane(t.Context(), id, 10, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := lane.Pull(t.Context(), 2, 10*time.Second, func(d delivery.Delivery, m *stream.Message) {
		if d.ID != deliveryID || d.PriorAttempts != 1 || d.EventSequence != 2 || d.EventID != "mine" || d.Body != nil {
			t.Errorf("in the lane: %+v", d)
		}
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
	})
	if n != 2 || err != nil {
		t.Errorf("%d are in the lane, %v", n, err)
	}

	// The sequence belongs to another event, or to none.
	for _, sequence := range []uint64{1, 3} {
		other := s.create(t)
		s.deliver(t, other, exampleDelivery, func(a *delivery.Attempt) { a.EventID, a.EventSequence = "mine", sequence })
		again := webhooks + "/" + other + "/deliveries/" + exampleDelivery + "/redeliver"
		if p := s.do(t, call{method: http.MethodPost, path: again}).problem(t, http.StatusNotFound); p.Type != "urn:dialnote:problem:event-expired" {
			t.Errorf("sequence %d: %+v", sequence, p)
		}
	}

	since := `{"since":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `","until":"2099-01-01T00:00:00Z"}`
	s.clock.advance(time.Minute) // the broker's may be ahead of this clock
	r := s.do(t, call{method: http.MethodPost, path: webhooks + "/" + id + "/recoveries", body: since}).want(t, http.StatusAccepted)
	if o := r.object(t); o["total"] != 1.0 {
		t.Errorf("one of the two events is the webhook's: %v", o)
	}

	server.Stop()
	for _, c := range []call{
		{method: http.MethodPost, path: path},
		{method: http.MethodPost, path: webhooks + "/" + w.ID + "/test"},
		{method: http.MethodPost, path: webhooks + "/" + s.create(t) + "/recoveries", body: since},
	} {
		s.do(t, c).problem(t, http.StatusServiceUnavailable)
	}
}
