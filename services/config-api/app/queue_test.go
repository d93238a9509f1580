package app_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// TestOverNATS runs the API over a real broker.
func TestOverNATS(t *testing.T) {
	t.Parallel()
	s := start(t)
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
	s = s.serve(t, deps)

	own := strings.Replace(noteEvent, "{", `{"id":"mine-1",`, 1)
	for range 2 { // the same event: dispatchers deliver it once
		s.do(t, call{method: http.MethodPost, path: events, body: own}).want(t, http.StatusAccepted)
	}
	if n := len(server.Stored(t, proto.StreamEvents)); n != 2 {
		t.Errorf("%d events stored", n)
	}

	id := s.create(t)
	if w := s.do(t, call{path: webhooks + "/" + id}).want(t, http.StatusOK).object(t); w["heldEvents"] != 0.0 {
		t.Errorf("held %v", w["heldEvents"])
	}
	s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"event":"disabled"}`}).want(t, http.StatusOK)
	s.do(t, call{method: http.MethodDelete, path: webhooks + "/" + id}).want(t, http.StatusNoContent)

	server.Stop()
	s.do(t, call{method: http.MethodPost, path: events, body: noteEvent}).problem(t, http.StatusServiceUnavailable)
	s.create(t)
	if o := s.do(t, call{path: webhooks}).want(t, http.StatusOK).text; !strings.Contains(string(o), `"heldEvents":null`) {
		t.Errorf("held events are known without a broker: %s", o)
	}
}
