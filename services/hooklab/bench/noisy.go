package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
	"github.com/dialnote/webhooks/services/hooklab/bench/publish"
	"github.com/dialnote/webhooks/services/hooklab/bench/report"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
	"github.com/dialnote/webhooks/services/hooklab/bench/system"
)

const (
	healthyRate = 50  // events/s of the webhook that is watched
	crowdRate   = 250 // events/s of the crowd together
	crowdSize   = 1000
	p99OfAlone  = "p99, of alone"
)

func noisy() Case {
	return Case{
		Name: "noisy",
		About: "A healthy webhook gets 50 events/s for 30 s: alone; while another hangs for 10 s at every attempt and has 5,000 or 100,000 events, " +
			"published before the healthy webhook's first event or while its events come; and beside 1,000 webhooks that get 250 events/s together, " +
			"all of them well, or a tenth dead (connection refused), slow (2 s) or flapping (500 in every other second).",
		Limit: 25 * time.Minute,
		run: func(ctx context.Context, b *bench) error {
			n := &noise{bench: b, rows: map[string]*report.Samples{}}
			for range b.Runs {
				o := system.Options{Dispatchers: 1, Settings: map[string]string{"DELIVERY_TIMEOUT": "10s"}}
				if err := b.withOne(ctx, o, overHTTP, n.run); err != nil {
					return err
				}
			}
			for _, name := range n.order {
				if name != alone && name != again {
					n.rows[name].Aim(p99OfAlone, report.Goal{Most: 1.5})
				}
				b.emit(n.rows[name])
			}
			return nil
		},
	}
}

// noise is the case being carried out.
type noise struct {
	*bench

	rows  map[string]*report.Samples
	order []string
	found map[string]stat.Latency // of this run
}

const (
	alone = "alone"        // before all others
	again = "alone, after" // and after them: machines are not the same all the time
)

// run measures everything once. Organization 1 is the healthy one, 2 the one
// that hangs, and the crowd begins at crowdFirst.
func (n *noise) run(ctx context.Context, s *system.System) error {
	n.found = make(map[string]stat.Latency)
	if err := n.undisturbed(ctx, s, alone); err != nil {
		return err
	}
	for _, events := range []int{n.size(5000, 500), n.size(100_000, 2000)} {
		if err := n.hanging(ctx, s, events); err != nil {
			return err
		}
	}
	dead, err := system.ClosedPort()
	if err != nil {
		return err
	}
	for i, c := range []struct{ name, bad string }{
		{"crowd, all well", s.Sink.HTTP + "/quiet"},
		{"crowd, a tenth dead", dead},
		{"crowd, a tenth slow", s.Sink.HTTP + "/slow/2s"},
		{"crowd, a tenth flapping", s.Sink.HTTP + "/flap"},
	} {
		if err := n.crowd(ctx, s, c.name, c.bad, i); err != nil {
			return err
		}
	}
	if err := n.undisturbed(ctx, s, again); err != nil {
		return err
	}
	n.compare()
	return nil
}

func (n *noise) undisturbed(ctx context.Context, s *system.System, name string) error {
	got, err := n.watch(ctx, s, nil)
	if err == nil {
		n.note(s, name, got)
	}
	return err
}

// compare adds what each latency of this run is of that alone.
func (n *noise) compare() {
	p50 := float64(n.found[alone].P50+n.found[again].P50) / 2
	p99 := float64(n.found[alone].P99+n.found[again].P99) / 2
	for name, got := range n.found {
		n.rows[name].Add("p50, of alone", "", stat.Ratio(float64(got.P50), p50))
		n.rows[name].Add(p99OfAlone, "", stat.Ratio(float64(got.P99), p99))
	}
}

// hanging measures beside a webhook that hangs and has that many events: with
// all of them handed to the dispatchers before the healthy webhook's first, and
// with all of them published a second after it.
func (n *noise) hanging(ctx context.Context, s *system.System, events int) error {
	flood := func(ctx context.Context) error { return s.NATS.Pipelined(ctx, events, toOrganization(2, n.runID())) }
	for _, c := range []struct {
		name  string
		noise func(ctx context.Context) error // returns when the healthy events may begin
		late  func(ctx context.Context) error // runs beside them
	}{
		{
			name: fmt.Sprintf("one hangs with %d events queued", events),
			noise: func(ctx context.Context) error {
				if err := flood(ctx); err != nil {
					return err
				}
				return s.Handed(ctx)
			},
		},
		{name: fmt.Sprintf("one hangs and %d events arrive", events), late: func(ctx context.Context) error {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			return flood(ctx)
		}},
	} {
		id, err := s.Webhook(ctx, specimen.Organization(2), s.Sink.HTTP+"/hang", event.CallCompleted)
		if err != nil {
			return err
		}
		if c.noise != nil {
			if err := c.noise(ctx); err != nil {
				return err
			}
		}
		got, err := n.watch(ctx, s, c.late)
		if err != nil {
			return err
		}
		n.note(s, c.name, got)
		if err := n.remove(ctx, s, 2, id); err != nil {
			return err
		}
		if err := s.Settled(ctx); err != nil {
			return err
		}
	}
	return nil
}

// crowd measures beside a crowd, a tenth of which has another URL. Each crowd
// has organizations of its own.
func (n *noise) crowd(ctx context.Context, s *system.System, name, bad string, which int) error {
	template, err := s.Webhook(ctx, specimen.Organization(0), s.Sink.HTTP+"/quiet", event.CallCompleted)
	if err != nil {
		return err
	}
	first := 10_000 * (1 + which)
	err = fill.Webhooks(ctx, s.DB, s.Box, n.secrets(), template, first, crowdSize, func(i int) fill.Row {
		url := s.Sink.HTTP + "/quiet"
		if i%10 == 0 {
			url = bad
		}
		return fill.Row{Organization: specimen.Organization(first + i), URL: url, Event: event.CallCompleted}
	})
	if err != nil {
		return err
	}
	random, run := n.random(uint64(3+which)), n.runID() //nolint:gosec // a small number
	crowd, every := countOf(crowdRate, n.time(30*time.Second)+time.Second)
	got, err := n.watch(ctx, s, func(ctx context.Context) error {
		_, err := s.NATS.Paced(ctx, crowd, every, func(i int) publish.Event {
			return publish.Event{Organization: specimen.Organization(first + random.IntN(crowdSize)), Type: event.CallCompleted, ID: specimen.ID(run, i)}
		})
		return err
	})
	if err != nil {
		return err
	}
	n.note(s, name, got)
	return s.API.Each(ctx, crowdSize/10, 8, func(i int) publish.Call {
		return deletion(first+10*i, fill.ID(first+10*i))
	})
}

// watch publishes the healthy webhook's events, with something beside them, and
// returns their latency.
func (n *noise) watch(ctx context.Context, s *system.System, beside func(ctx context.Context) error) (stat.Latency, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var other sync.WaitGroup
	if beside != nil {
		other.Go(func() {
			if err := beside(ctx); err != nil {
				cancel(err)
			}
		})
	}
	count, every := countOf(healthyRate, n.time(30*time.Second))
	got, err := n.steady(ctx, s, count, every)
	other.Wait()
	return got, err
}

func (n *noise) note(s *system.System, name string, got stat.Latency) {
	row, known := n.rows[name]
	if !known {
		row = report.NewSamples(name, s.Settings())
		n.rows[name] = row
		n.order = append(n.order, name)
	}
	n.found[name] = got
	row.AddLatency(got)
	n.say("  %s: p50 %s, p99 %s, max %s", name, got.P50, got.P99, got.Max)
}

// remove deletes a webhook with all that waits for it.
func (n *noise) remove(ctx context.Context, s *system.System, organization int, id string) error {
	_, err := s.API.Do(ctx, deletion(organization, id))
	return err
}

func deletion(organization int, id string) publish.Call {
	return publish.Call{
		Method: http.MethodDelete, Path: "/v1/organizations/" + specimen.Organization(organization) + "/webhooks/" + id, Want: http.StatusNoContent,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// jsonOf returns a small object of strings as JSON.
func jsonOf(fields map[string]string) []byte {
	text, _ := json.Marshal(fields) // strings can always be written
	return text
}
