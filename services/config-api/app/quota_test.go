package app_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/config-api/app"
)

// bounded is the system with Postgres, a broker, and these quotas; events are the bytes
// of events that may be stored in all, 0 for no bound.
func bounded(t *testing.T, limits quota.Limits, events int64) (*system, store.Store, *natstest.Server) {
	t.Helper()
	s := start(t)
	db, err := storeurl.Open(t.Context(), pgtest.Schema(t), storetest.Box(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	server := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: server.ClientURL(), Name: t.Name(), Admits: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.Ensure(t.Context(), stream.Topology{Replicas: 1, Retention: 24 * time.Hour, Events: events}); err != nil {
		t.Fatal(err)
	}
	deps := s.dependencies()
	deps.Store, deps.Stream = db, conn
	return s.serveWith(t, app.Config{Quotas: limits, Retention: 24 * time.Hour}, deps), db, server
}

func (s *system) publishTo(t *testing.T, organizationID string) reply {
	t.Helper()
	return s.do(t, call{method: http.MethodPost, path: "/v1/organizations/" + organizationID + "/events", body: noteEvent})
}

// counted has it counted, as a dispatcher does, what an organization's events take that
// were stored at a time.
func counted(t *testing.T, db store.Store, now time.Time, bytes ...store.CountedBytes) {
	t.Helper()
	if has, err := db.TakeCounting(t.Context(), "test", now, now.Add(time.Hour)); !has || err != nil {
		t.Fatal(has, err)
	}
	account, err := db.Counted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := account.Positions[proto.StreamEvents]
	done, err := db.Count(t.Context(), "test", store.CountedPart{Stream: proto.StreamEvents, From: from, To: from + 1, Until: now, Bytes: bytes})
	if !done || err != nil {
		t.Fatal(done, err)
	}
}

// An organization at its quota is told which one it is and when there is room; another
// one's events are accepted.
func TestAnOrganizationAtItsQuotaIsRefused(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s, db, _ := bounded(t, quota.Limits{Events: limit}, 0)
	hour := s.clock.Now().Truncate(time.Hour).Add(-20 * time.Hour)
	counted(t, db, s.clock.Now(), store.CountedBytes{OrganizationID: "greedy", Stream: proto.StreamEvents, Stored: hour.Add(time.Minute), Bytes: limit - 10})
	r := s.publishTo(t, "greedy")
	p := r.problem(t, http.StatusTooManyRequests)
	room := hour.Add(time.Hour + 24*time.Hour)
	if p.Type != "urn:dialnote:problem:over-quota" || p.Quota == nil || p.Quota.Name != "events" || p.Quota.LimitBytes != limit ||
		p.Quota.UsedBytes != limit-10 || p.Quota.RoomAt == nil || !p.Quota.RoomAt.Equal(room) {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(p.Detail, "and your quota is 1.0 MiB.") ||
		!strings.Contains(p.Detail, room.UTC().Format("2006-01-02 15:04 UTC")) {
		t.Errorf("the detail is %q", p.Detail)
	}
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if want := room.Sub(s.clock.Now()); err != nil || time.Duration(after)*time.Second < want || time.Duration(after-2)*time.Second > want {
		t.Errorf("Retry-After: %d, want %s", after, want)
	}
	s.publishTo(t, "other").want(t, http.StatusAccepted)

	// The retention makes room: it is known at the latest when what is known is read again.
	if _, done, err := db.ForgetUsage(t.Context(), "test", proto.StreamEvents, hour.Add(time.Hour)); !done || err != nil {
		t.Fatal(done, err)
	}
	s.clock.advance(10 * time.Second)
	s.publishTo(t, "greedy").want(t, http.StatusAccepted)
}

// What a replica accepted counts at once, also while nothing is counted.
func TestWhatIsAcceptedCountsBeforeItIsCounted(t *testing.T) {
	t.Parallel()
	s, db, _ := bounded(t, quota.Limits{Events: 2000}, 0)
	accepted := 0
	for ; accepted < 100; accepted++ {
		if r := s.publishTo(t, "greedy"); r.status != http.StatusAccepted {
			r.problem(t, http.StatusTooManyRequests)
			break
		}
	}
	if accepted < 2 || accepted > 6 {
		t.Errorf("%d events of some 500 bytes were accepted", accepted)
	}
	// When they are counted, they count once.
	s.clock.advance(time.Minute)
	counted(t, db, s.clock.Now(), store.CountedBytes{OrganizationID: "greedy", Stream: proto.StreamEvents, Stored: s.clock.Now(), Bytes: 100})
	s.publishTo(t, "greedy").want(t, http.StatusAccepted)
}

// The events of all organizations have a bound together. What is over it is refused
// with other words, the service stays ready, and accepts again when there is room.
func TestNoRoomForEventsOfAnyOrganization(t *testing.T) {
	t.Parallel()
	s, _, server := bounded(t, quota.Limits{}, 4<<10)
	stored := 0
	for stored < 100 {
		r := s.publishTo(t, fmt.Sprintf("org%d", stored))
		if r.status == http.StatusAccepted {
			stored++
			continue
		}
		if p := r.problem(t, http.StatusServiceUnavailable); p.Type != "urn:dialnote:problem:no-room-for-events" || r.header.Get("Retry-After") != "60" {
			t.Errorf("%+v %v", p, r.header)
		}
		break
	}
	s.do(t, call{path: "/readyz"}).want(t, http.StatusOK)
	metrics := string(s.do(t, call{path: "/metrics"}).want(t, http.StatusOK).text)
	if !strings.Contains(metrics, `dialnote_api_events_refused_total{why="no_room"} 1`) {
		t.Error("the refusal is not counted")
	}
	server.Remove(t, proto.StreamEvents, 1)
	s.publishTo(t, "later").want(t, http.StatusAccepted)
}
