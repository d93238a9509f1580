package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
)

const (
	// pullWait is how long one request for events stays open. A stop waits for
	// it, so that what the server has already handed out is not lost on the way.
	pullWait = time.Second

	// lookEvery is how often the replica looks which consumers hand out events. While
	// the number of partitions changes nothing is handed out for so long.
	lookEvery = 500 * time.Millisecond

	// ahead bounds the events of all partitions that come without a slot, which they
	// then wait for; aheadEach those of one partition.
	ahead, aheadEach = 64, 8
)

// pullers are the goroutines that pull, one for each consumer that hands out events:
// what arrives in one partition delays no other.
type pullers struct {
	*Dispatcher

	running sync.WaitGroup
	stop    map[string]context.CancelFunc // by the consumer
}

// run pulls from the consumers that there are, until pulling ends and the last
// request for events has.
func (p *pullers) run(pulling, work context.Context) {
	p.stop = make(map[string]context.CancelFunc)
	defer p.running.Wait()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for said := false; ; {
		sources, err := p.Stream.Sources(pulling)
		if err == nil {
			p.follow(pulling, work, sources)
		} else if pulling.Err() == nil && !said {
			p.Log.Warn("consumers of the events not listed, pulling from those that are known", slog.Any("error", err))
		}
		said = err != nil
		select {
		case <-look.C:
		case <-pulling.Done():
			return
		}
	}
}

// follow begins to pull from the consumers that are new, and ends pulling from those
// that are gone.
func (p *pullers) follow(pulling, work context.Context, sources []stream.Source) {
	there := make(map[string]bool)
	for _, s := range sources {
		there[s.Name] = true
		if p.stop[s.Name] != nil {
			continue
		}
		ctx, stop := context.WithCancel(pulling)
		p.stop[s.Name] = stop
		one := &puller{Dispatcher: p.Dispatcher, source: s, ask: max(1, min(aheadEach, ahead/len(sources))), lot: p.Backlog.Lot()}
		p.running.Go(func() { one.run(ctx, work) })
	}
	for name, stop := range p.stop {
		if !there[name] {
			stop()
			delete(p.stop, name)
		}
	}
}

// puller pulls from one consumer.
type puller struct {
	*Dispatcher

	source stream.Source
	events *stream.Events // nil before it is open
	lot    *limit.Lot
	ask    int  // how many events to ask for without a slot
	busy   bool // more events came than that
}

// run pulls until pulling ends.
func (p *puller) run(pulling, work context.Context) {
	for try := 0; pulling.Err() == nil; {
		if p.Deliverer.WaitForCapacity(pulling) != nil || p.lot.Wait(pulling) != nil {
			return
		}
		err := p.pull(pulling, work)
		if err != nil && pulling.Err() == nil {
			if try == 1 { // the consumer may just have been replaced
				p.Log.Warn("events not pulled, retrying", slog.String("consumer", p.source.Name), slog.Any("error", err))
			}
			backoff.Sleep(pulling, backoff.Pause(try))
			try++
			continue
		}
		try = 0
	}
}

// pull makes one request for events. While few come it holds no slot, so that those
// are free for the other partitions: it asks for few events, each of which then
// waits for a slot. When more come it takes slots first, and asks for as many events as
// there are slots.
func (p *puller) pull(pulling, work context.Context) (err error) {
	if p.events == nil {
		if p.events, err = p.Stream.Open(pulling, p.source); err != nil {
			return err
		}
	}
	if p.busy {
		return p.pullMany(pulling, work)
	}
	var waiting sync.WaitGroup
	got, err := p.events.Pull(pulling, p.ask, pullWait, func(m *stream.Message) {
		waiting.Add(1)
		p.begin(work, m, func() (*limit.Slot, error) {
			defer waiting.Done()
			if _, err := p.Slots.Acquire(work, 1); err != nil {
				return nil, err
			}
			return p.Slots.Slot(), nil
		})
	})
	waiting.Wait()
	p.busy = got == p.ask
	return err
}

// pullMany asks for the events that are there, each of which has a slot.
func (p *puller) pullMany(pulling, work context.Context) error {
	n, err := p.Slots.Acquire(pulling, p.Batch)
	if err != nil {
		return err
	}
	got, err := p.events.Pull(pulling, n, 0, func(m *stream.Message) {
		p.begin(work, m, func() (*limit.Slot, error) { return p.Slots.Slot(), nil })
	})
	p.Slots.Release(n - got)
	p.busy = got > p.ask || got == n
	return err
}

// begin hands an event to a worker.
func (p *puller) begin(work context.Context, m *stream.Message, acquire func() (*limit.Slot, error)) {
	p.open.Add(1)
	p.Workers.Do(func() limit.Job { return p.handle(work, m, p.lot, acquire) })
}
