package system

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/bench/process"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
)

// Usage returns what each part has used.
func (s *System) Usage() (map[string]process.Usage, error) {
	usage := make(map[string]process.Usage)
	add := func(name string, pid int) error {
		u, err := process.OfTree(pid)
		if err != nil {
			return fmt.Errorf("usage of %s: %w", name, err)
		}
		usage[name] = usage[name].Plus(u)
		return nil
	}
	for name, p := range s.parts {
		if err := add(name, p.PID()); err != nil {
			return nil, err
		}
	}
	for _, d := range s.Dispatchers {
		if err := add(Dispatcher, d.PID()); err != nil {
			return nil, err
		}
	}
	if s.cluster != nil {
		pid, err := s.cluster.PID()
		if err != nil {
			return nil, err
		}
		if err := add(Postgres, pid); err != nil {
			return nil, err
		}
	}
	// Not the tree: the others are children of this process.
	u, err := process.Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	usage[Publisher] = u
	return usage, nil
}

// ForgetPeaks resets the peak memory of every part except Postgres, whose processes
// come and go and share memory.
func (s *System) ForgetPeaks() error {
	for _, p := range s.parts {
		if err := process.ForgetPeak(p.PID()); err != nil {
			return err
		}
	}
	for _, d := range s.Dispatchers {
		if err := process.ForgetPeak(d.PID()); err != nil {
			return err
		}
	}
	return nil
}

// Settled waits until every event is acknowledged and no delivery waits in a
// lane; with standalone, until what was sent is recorded.
func (s *System) Settled(ctx context.Context) error {
	return s.until(ctx, func() (int, error) {
		if p := s.parts[Standalone]; p != nil {
			return s.unfinished(ctx, p)
		}
		events, err := s.NATS.Unsettled(ctx, proto.StreamEvents)
		if err != nil {
			return 0, err
		}
		lanes, err := s.NATS.Stored(ctx, proto.StreamLanes)
		if err != nil || events+lanes > 0 {
			return events + lanes, err
		}
		waiting := 0
		if err := s.DB.QueryRowContext(ctx, "SELECT count(*) FROM waiting").Scan(&waiting); err != nil {
			return 0, fmt.Errorf("count what waits: %w", err)
		}
		return waiting, nil
	})
}

// Wait waits until n deliveries wait for their webhooks.
func (s *System) Wait(ctx context.Context, n int) error {
	return s.until(ctx, func() (int, error) {
		var waiting int
		if err := s.DB.QueryRowContext(ctx, "SELECT count(*) FROM waiting").Scan(&waiting); err != nil {
			return 0, fmt.Errorf("count what waits: %w", err)
		}
		return max(0, n-waiting), nil
	})
}

// Handed waits until every event was handed out to a dispatcher.
func (s *System) Handed(ctx context.Context) error {
	return s.until(ctx, func() (int, error) { return s.NATS.Undelivered(ctx, proto.StreamEvents) })
}

// unfinished returns what standalone's metrics say: its queues cannot be read from
// outside.
func (s *System) unfinished(ctx context.Context, p *process.Process) (int, error) {
	var sum float64
	for _, name := range []string{"attempts_in_flight", "outcomes_unrecorded", "deliveries_waiting"} {
		value, err := s.Metric(ctx, p, "dialnote_dispatcher_"+name)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return int(sum), nil
}

// until calls a count until it is 0.
func (s *System) until(ctx context.Context, left func() (int, error)) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		n, err := left()
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%d events or deliveries are not settled: %w", n, context.Cause(ctx))
		}
	}
}

// Kept is what the system keeps.
type Kept struct {
	Laned    uint64 // deliveries that ever had to wait
	Events   uint64 // bytes of the event stream
	Database int64  // bytes of the database
}

// Keeps returns what the system keeps: nothing with standalone, whose streams
// and database only it sees.
func (s *System) Keeps(ctx context.Context) (Kept, error) {
	if s.NATS == nil || s.DB == nil {
		return Kept{}, nil
	}
	lanes, err := s.NATS.Content(ctx, proto.StreamLanes)
	if err != nil {
		return Kept{}, err
	}
	events, err := s.NATS.Content(ctx, proto.StreamEvents)
	if err != nil {
		return Kept{}, err
	}
	k := Kept{Events: events.Bytes}
	const kept = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE relname = 'waiting'"
	if err := s.DB.QueryRowContext(ctx, kept).Scan(&k.Laned); err != nil {
		return Kept{}, fmt.Errorf("count what had to wait: %w", err)
	}
	k.Laned += lanes.Sequence
	if err := s.DB.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&k.Database); err != nil {
		return Kept{}, fmt.Errorf("ask for the size of the database: %w", err)
	}
	return k, nil
}

// Profile returns a processor profile of the first dispatcher over a time, in
// the form that "go tool pprof" reads. The dispatcher must have the setting
// PROFILES.
func (s *System) Profile(ctx context.Context, during time.Duration) ([]byte, error) {
	seconds := strconv.Itoa(max(1, int(during.Seconds())))
	text, err := s.get(ctx, "http://"+s.opsAddrs[s.Dispatchers[0]]+"/debug/pprof/profile?seconds="+seconds)
	return []byte(text), err
}

// Webhook makes a webhook through the API and returns its id.
func (s *System) Webhook(ctx context.Context, organization, url string, kind event.Type) (string, error) {
	body, err := json.Marshal(map[string]string{"name": "bench", "provider": "custom", "url": url, "event": string(kind)})
	if err != nil {
		return "", fmt.Errorf("write a webhook: %w", err)
	}
	text, err := s.API.Do(ctx, publish.Call{
		Method: http.MethodPost, Path: "/v1/organizations/" + organization + "/webhooks", Body: body, Want: http.StatusCreated,
	})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return "", fmt.Errorf("read a webhook: %w", err)
	}
	return made.ID, nil
}

// Versions returns those of the NATS server and of Postgres, empty where there
// is none.
func (s *System) Versions(ctx context.Context) (nats, postgres string, err error) {
	if s.NATS != nil {
		nats = s.NATS.Version()
	}
	if s.DB != nil {
		if err := s.DB.QueryRowContext(ctx, "SHOW server_version").Scan(&postgres); err != nil {
			return "", "", fmt.Errorf("ask Postgres for its version: %w", err)
		}
	}
	return nats, postgres, nil
}
