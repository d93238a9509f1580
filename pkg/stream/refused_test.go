package stream_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
)

// What the server refuses until an operator changes its settings is told apart from
// what passes by itself, and the log says what to do, once.
func TestWhatTheServerRefusesForGood(t *testing.T) {
	t.Parallel()
	noLanes := &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"dialnote.lanes.*"}}}
	for name, c := range map[string]struct {
		opts     *server.Options
		security stream.Security
		says     string
	}{
		"a permission is missing": {
			&server.Options{Users: []*server.User{{Username: "dispatcher", Password: "x", Permissions: noLanes}}},
			stream.Security{User: "dispatcher", Password: "x"},
			"deploy/nats",
		},
		"messages may be small only": {&server.Options{MaxPayload: 4096}, stream.Security{}, "max_payload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said lines
			conn, err := stream.Connect(stream.Settings{URL: "nats://" + serveNATS(t, c.opts), Name: t.Name(), Security: c.security}, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conn.Close)
			await(t, func() bool { return conn.Ready(t.Context()) == nil })
			if err := conn.Ensure(t.Context(), topology()); err != nil {
				t.Fatal(err)
			}
			e := event.Sample(event.CallCompleted, "acme", "evt_large", time.Now())
			d := delivery.Of(e, nil, "wh_1", 1, time.Now())
			d.EventID = strings.Repeat("x", 8192)
			for range 20 { // the first waits for the server, and no other
				err := conn.Enqueue(t.Context(), d, 1)
				if !errors.As(err, new(*stream.RefusedError)) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("the error is %v", err)
				}
			}
			if n := strings.Count(said.String(), "this user may not publish"); n > 1 {
				t.Errorf("the log says it %d times", n)
			}
		})
	}
}
