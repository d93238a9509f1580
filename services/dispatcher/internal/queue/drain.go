package queue

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/limit"
)

// drain delivers what waits for one webhook, in the order of the events, under the
// webhook's lease. It ends when nothing waits, or when the webhook may not be tried.
type drain struct {
	*Waiting

	organizationID string
	webhookID      string
	wake           backoff.Signal
	until          atomic.Int64 // the end of the lease, in Unix nanoseconds
	failing        atomic.Bool  // deliveries may wait because of a failure

	looked      bool         // at the webhook
	opened      time.Time    // since when the webhook takes all that it can
	outstanding atomic.Int64 // deliveries with a slot
	failure     atomic.Pointer[error]
	deliveries  sync.WaitGroup

	ahead   []delivery.Delivery // that were read and have not begun
	all     bool                // nothing else waited when they were read
	arrived atomic.Bool         // something has been kept since
	version int64               // of the webhook then: another setting may have discarded them

	mu       sync.Mutex
	inFlight map[uint64]bool // sequences of the events whose deliveries are under way
}

func (d *drain) of() limit.Of {
	return limit.Of{OrganizationID: d.organizationID, WebhookID: d.webhookID}
}

// leased reports whether no other replica reads what waits for the webhook.
func (d *drain) leased() bool { return d.Now().UnixNano() < d.until.Load() }

// run delivers until nothing waits, the webhook may not be tried, the lease is lost,
// or pulling ends.
func (d *drain) run(pulling, work context.Context) {
	finished := false
	for try := 0; pulling.Err() == nil && d.leased() && !finished; {
		left, done, err := d.step(pulling, work)
		finished = done
		if left {
			break
		}
		if err == nil {
			try = 0
			continue
		}
		if try == 0 && pulling.Err() == nil {
			d.Log.Warn("waiting deliveries not readable, retrying", slog.String("webhook", d.webhookID), slog.Any("error", err))
		}
		d.wake.Sleep(pulling, backoff.Pause(try))
		try++
	}
	d.deliveries.Wait()
	if finished {
		return
	}
	if _, err := d.leave.Ask(work, d.webhookID); err != nil && work.Err() == nil {
		d.Log.Warn("lease of waiting deliveries not given back, it will run out",
			slog.String("webhook", d.webhookID), slog.Any("error", err))
	}
}

// step does what the webhook allows now. It reports left when the webhook may not be
// tried, and finished when nothing waits for it any more.
func (d *drain) step(pulling, work context.Context) (left, finished bool, err error) {
	w, err := d.webhook(pulling)
	if err != nil {
		return false, false, err
	}
	now := modeOf(w, d.Now())
	if now != open {
		d.failing.Store(true)
		d.opened = time.Time{}
	} else if d.opened.IsZero() {
		d.opened = d.Now()
	}
	first := !d.looked
	d.looked = true
	switch now {
	case gone, parked, onHold: // what waits for a deleted webhook was removed with it
		if first { // the database said otherwise: perhaps an announcement is on its way
			d.Matcher.Drop(d.organizationID)
		}
		return !first, false, nil
	case probe, open:
		finished, err = d.read(pulling, work, now, w.Version)
	}
	return false, finished, err
}

// webhook looks the webhook up; it returns nil when there is none.
func (d *drain) webhook(ctx context.Context) (*webhook.Webhook, error) {
	t, err := d.Matcher.Find(ctx, d.organizationID, d.webhookID)
	if err != nil {
		return nil, fmt.Errorf("look up webhook %s: %w", d.webhookID, err)
	}
	if t == nil {
		return nil, nil //nolint:nilnil // as Matcher.Find
	}
	return &t.Webhook, nil
}

// read begins to deliver what waits, as much as the webhook has use for. It reports
// true when nothing waits any more.
func (d *drain) read(pulling, work context.Context, now mode, version int64) (bool, error) {
	if failure := d.failure.Swap(nil); failure != nil {
		return false, *failure
	}
	inFlight := d.perWebhook
	if now == probe {
		inFlight = 1
		d.deliveries.Wait()
	}
	if version != d.version {
		d.ahead, d.all, d.version = nil, false, version
	}
	if len(d.ahead) == 0 { // before there are slots: others need them while the database is asked
		return d.more(pulling)
	}
	room := handedOut(inFlight) - d.underWay() // what is being recorded takes memory, too
	slots, err := d.acquire(pulling, d.of(), d.wake, inFlight, &d.outstanding, room)
	if err != nil || slots == 0 {
		return false, err
	}
	next := d.next(slots)
	for _, one := range next {
		d.begin(work, one, now == probe)
	}
	d.Slots.Release(slots - len(next))
	if inFlight == 1 {
		d.deliveries.Wait() // it decides how the queue goes on
	}
	return false, nil
}

// more finds out what else waits when all that was read has begun. It reports true
// when nothing waits any more. The database is asked again only when something may
// have come: this replica has kept a delivery, or another one may have.
func (d *drain) more(ctx context.Context) (finished bool, err error) {
	d.mu.Lock()
	under := maps.Clone(d.inFlight) // some of these may be removed while the database is asked
	d.mu.Unlock()
	switch {
	case d.arrived.Swap(false) || !d.all:
		return false, d.readAhead(ctx, under)
	case len(under) > 0:
		d.all = d.wake.Sleep(ctx, idleWait)
		return false, nil
	}
	finished, err = d.finish.Ask(ctx, d.webhookID)
	d.all = finished
	return finished, err
}

// readAhead reads deliveries that wait and are not under way.
func (d *drain) readAhead(ctx context.Context, under map[uint64]bool) error {
	most := mostAhead + len(under)
	list, err := d.first.Ask(ctx, store.WaitingRead{WebhookID: d.webhookID, AtMost: most})
	if err != nil {
		return err
	}
	d.all = len(list) < most
	d.ahead = make([]delivery.Delivery, 0, len(list))
	for _, one := range list {
		if !under[one.EventSequence] {
			one.OrganizationID = d.organizationID
			d.ahead = append(d.ahead, one)
		}
	}
	return nil
}

// next returns the next n deliveries of those that were read ahead, or fewer.
func (d *drain) next(n int) []delivery.Delivery {
	n = min(n, len(d.ahead))
	next := d.ahead[:n:n]
	d.ahead = d.ahead[n:]
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range next {
		d.inFlight[one.EventSequence] = true
	}
	if n > 0 && !d.opened.IsZero() && next[0].EventStored.After(d.opened) {
		d.failing.Store(false) // what waited because of a failure is on its way
	}
	return next
}

// begin delivers in the background. The delivery's turn comes after those of the
// deliveries before it.
func (d *drain) begin(work context.Context, of delivery.Delivery, probes bool) {
	d.outstanding.Add(1)
	slot := d.Slots.SlotThen(func() { // long before the outcome is recorded
		d.outstanding.Add(-1)
		d.wake.Set()
	})
	turn := d.Webhooks.Join(work, d.of())
	d.deliveries.Go(func() {
		defer d.wake.Set()
		defer slot.Free()
		defer d.end(of.EventSequence)
		d.deliver(work, of, probes, turn, slot)
	})
}

// underWay returns how many deliveries have begun and are not recorded.
func (d *drain) underWay() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inFlight)
}

func (d *drain) end(sequence uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inFlight, sequence)
}

// deliver delivers one delivery that waits. It stays where it is unless it is done
// with.
func (d *drain) deliver(work context.Context, of delivery.Delivery, probes bool, turn limit.Turn, slot *limit.Slot) {
	m, kept, err := d.readEvent(work, &of)
	work, span := d.Tracer.Consume(work, proto.StreamEvents, m.Headers())
	defer span.End()
	progress, progressErr := d.Deliverer.Progress.Of(work, of)
	if !turn.Wait() {
		return
	}
	if !d.leased() { // this replica was frozen, or the database is away
		d.Webhooks.Leave(d.webhookID, 0)
		return
	}
	t, findErr := d.Matcher.Find(work, d.organizationID, d.webhookID)
	if failure := cmp.Or(err, progressErr, findErr); failure != nil || !kept {
		d.Webhooks.Leave(d.webhookID, 0)
		if failure == nil {
			slot.Free()
			failure = d.skip(work, t, delivery.Turn{Delivery: of, Progress: progress, Retention: d.Retention})
		}
		d.rest(failure)
		return
	}
	result, err := d.Deliverer.Deliver(work, t, delivery.Turn{Delivery: of, Progress: progress, Probes: probes, Retention: d.Retention}, slot)
	if err == nil {
		err = d.settle(work, of, result.Plan.Step, result.Number, result.Recorded.Decision)
	}
	d.rest(err)
}

// rest has the reader rest after a failure before it reads on.
func (d *drain) rest(failure error) {
	if failure != nil {
		d.failure.Store(&failure)
	}
}

// settle does what follows a delivery, and removes it from what waits when that is
// stored, unless the record has.
func (d *drain) settle(work context.Context, of delivery.Delivery, step delivery.PlanStep, number int, decided delivery.Decision) error {
	switch {
	case step == delivery.PlanSend && (decided.Action == delivery.Retry || decided.Action == delivery.Remove):
		if err := d.Lanes.Settle(work, of, number, decided); err != nil {
			return err
		}
	case step != delivery.PlanDone:
		return nil
	}
	if err := d.Store.ForgetWaiting(work, of.WebhookID, of.EventSequence); err != nil {
		return fmt.Errorf("forget delivery %s, which is done with: %w", of.ID, err)
	}
	return nil
}
