// Package admission refuses events of organizations that have reached a quota, before
// they are stored (docs/adr/0015).
package admission

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
)

const (
	// organizations is of how many what they use is remembered.
	organizations = 100_000

	// idle is how long that is remembered after the last event.
	idle = 10 * time.Minute

	// nearby and distant are for how long what is counted of an organization is used:
	// of one that has half of its quota or more, and of others.
	nearby, distant = time.Second, 5 * time.Second

	// patience is for how long an event waits for the database: the first of an
	// organization, and one that would be refused by what was counted some time ago.
	patience = 250 * time.Millisecond

	// overhead is about what a stream keeps of an event beside its body.
	overhead = 320

	// waitAgain is when to try again where only the customer can make room.
	waitAgain = time.Minute
)

// Over says which quotas organizations have reached, as the replica that counts has
// noted.
type Over interface {
	Of(organizationID string) []store.OverQuota
}

// Account is the part of the store that has what is counted.
type Account interface {
	OrganizationUsage(ctx context.Context, organizationID string) (quota.Usage, error)
}

// Door lets events in. Safe for concurrent use.
type Door struct {
	account   Account
	over      Over
	limits    quota.Limits
	retention time.Duration
	now       func() time.Time
	log       *slog.Logger
	known     *otter.Cache[string, *known]
	refused   *prometheus.CounterVec
}

// Options are what a Door needs.
type Options struct {
	Account   Account
	Over      Over
	Limits    quota.Limits
	Retention time.Duration // how long an event takes room
	Now       func() time.Time
	Log       *slog.Logger
	Registry  prometheus.Registerer
}

// New returns a Door. It returns an error when the registry has its metric already.
func New(o Options) (*Door, error) {
	cache, err := otter.New(&otter.Options[string, *known]{
		MaximumSize: organizations, ExpiryCalculator: otter.ExpiryAccessing[string, *known](idle),
	})
	if err != nil {
		return nil, fmt.Errorf("remember what organizations use: %w", err)
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dialnote_api_events_refused_total",
		Help: "Events that were refused because their organization had reached a quota, or because there was no room for events of any, by why.",
	}, []string{"why"})
	for _, name := range quota.Names() {
		refused.WithLabelValues(string(name))
	}
	refused.WithLabelValues(noRoom)
	if err := o.Registry.Register(refused); err != nil {
		return nil, fmt.Errorf("register the metric of refused events: %w", err)
	}
	return &Door{
		account: o.Account, over: o.Over, limits: o.Limits, retention: o.Retention, now: o.Now, log: o.Log,
		known: cache, refused: refused,
	}, nil
}

// noRoom is why an event is refused for which the streams have no room.
const noRoom = "no_room"

// NoRoom counts an event that the stream refused.
func (d *Door) NoRoom() { d.refused.WithLabelValues(noRoom).Inc() }

// Admit returns nil when an organization may have one more event with a body of so many
// bytes, and counts it. Else it returns a fault of kind RateLimited with the quota.
// While the database is away or slow, what was read before is used, and an organization
// of which nothing is known may have its events: a quota is no reason to lose one.
func (d *Door) Admit(ctx context.Context, organizationID string, body int) error {
	now := d.now()
	for _, over := range d.over.Of(organizationID) {
		if over.Quota == quota.Waiting {
			return d.refuse(&quota.Exceeded{Quota: quota.Waiting, Limit: d.limits.Waiting, Used: over.Bytes}, now)
		}
	}
	if d.limits.Events <= 0 {
		return nil
	}
	of, _ := d.known.ComputeIfAbsent(organizationID, func() (*known, bool) { return &known{}, false })
	size := int64(body + overhead)
	if reading := d.refresh(ctx, of, organizationID, now); reading != nil && !of.allows(d, size) {
		wait := time.NewTimer(patience)
		defer wait.Stop()
		select {
		case <-reading:
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	if exceeded := of.admit(d, now, size); exceeded != nil {
		return d.refuse(exceeded, now)
	}
	return nil
}

// refuse returns the fault of an event for which a quota has no room.
func (d *Door) refuse(e *quota.Exceeded, now time.Time) error {
	d.refused.WithLabelValues(string(e.Quota)).Inc()
	f := fault.New(fault.RateLimited, "over-quota", words(e, d.retention))
	f.Quota = &fault.Quota{Name: string(e.Quota), Limit: e.Limit, Used: e.Used, RoomAt: e.RoomAt}
	if f.RetryAfter = waitAgain; !e.RoomAt.IsZero() {
		f.RetryAfter = max(e.RoomAt.Sub(now), waitAgain)
	}
	return f
}

// words say which quota is reached and what to do.
func words(e *quota.Exceeded, retention time.Duration) string {
	used, limit := humanize.IBytes(uint64(max(e.Used, 0))), humanize.IBytes(uint64(max(e.Limit, 0)))
	if e.Quota == quota.Waiting {
		return fmt.Sprintf("Deliveries that wait for your webhooks take %s, and your quota of them is %s. "+
			"Enable, repair or delete the webhooks that they wait for, then publish the event again.", used, limit)
	}
	text := fmt.Sprintf("Your events of the last %s take %s, and your quota is %s.", days(retention), used, limit)
	if e.RoomAt.IsZero() {
		return text + " This event is larger than what can become free. Ask us for a larger quota."
	}
	return text + fmt.Sprintf(" There is room when older ones are no longer kept, at %s at the latest. Publish the event again then, or ask us for a larger quota.",
		e.RoomAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// days writes a time like 7 days, or 36 hours.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d hours", int(math.Ceil(d.Hours())))
}

// known is what is known of an organization.
type known struct {
	mu      sync.Mutex
	usage   quota.Usage   // as it was counted
	counted bool          // it was read
	until   time.Time     // until then it is used
	own     accepted      // what this replica accepted since
	reading chan struct{} // closed when it has been read again; nil while it is not read
}

// refresh has what is counted of an organization read when what is known is too old,
// once at a time. It returns what is closed then, nil when nothing is read.
func (d *Door) refresh(ctx context.Context, k *known, organizationID string, now time.Time) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading == nil && !now.Before(k.until) {
		k.reading = make(chan struct{})
		go d.read(context.WithoutCancel(ctx), k, organizationID)
	}
	return k.reading
}

func (d *Door) read(ctx context.Context, k *known, organizationID string) {
	usage, err := d.account.OrganizationUsage(ctx, organizationID)
	if err != nil {
		d.log.WarnContext(ctx, "usage of an organization not read, its events are compared with what was known", slog.Any("error", err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.usage, k.counted = usage, true
		k.own.forget(usage.Until)
	}
	k.until = d.now().Add(distant)
	if d.limits.Events < 2*(k.usage.Total()+k.own.since(k.usage.Until)) {
		k.until = d.now().Add(nearby)
	}
	close(k.reading)
	k.reading = nil
}

// allows reports whether, by what is counted, there is room for so many bytes. It
// reports false when nothing was read yet.
func (k *known) allows(d *Door, size int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counted && d.limits.Admit(k.usage, k.own.since(k.usage.Until), size, d.retention) == nil
}

// admit counts so many bytes as accepted, unless a quota has no room for them.
func (k *known) admit(d *Door, now time.Time, size int64) *quota.Exceeded {
	k.mu.Lock()
	defer k.mu.Unlock()
	if exceeded := d.limits.Admit(k.usage, k.own.since(k.usage.Until), size, d.retention); exceeded != nil {
		return exceeded
	}
	k.own.add(now, size)
	return nil
}

// accepted is what was accepted, by the second, oldest first.
type accepted []second

type second struct {
	at    time.Time
	bytes int64
}

// most bounds the seconds that are kept apart. When the account is not counted for
// longer, what is older counts as if it had come at the end of them.
const most = 600

func (a *accepted) add(now time.Time, bytes int64) {
	list := *a
	if n := len(list); n > 0 && now.Sub(list[n-1].at) < time.Second {
		list[n-1].bytes += bytes
		return
	}
	if len(list) == most {
		list[1].bytes += list[0].bytes
		list = append(list[:0], list[1:]...)
	}
	*a = append(list, second{now, bytes})
}

// since returns the bytes that may not be counted yet when everything up to counted is.
func (a *accepted) since(counted time.Time) int64 {
	var sum int64
	for _, s := range *a {
		if !s.at.Add(time.Second + quota.Overlap).Before(counted) {
			sum += s.bytes
		}
	}
	return sum
}

// forget removes what is counted.
func (a *accepted) forget(counted time.Time) {
	list := *a
	n := 0
	for n < len(list) && list[n].at.Add(time.Second+quota.Overlap).Before(counted) {
		n++
	}
	*a = append(list[:0], list[n:]...)
}
