// Package account counts how many bytes the streams keep of each organization, and
// notes which organizations have reached a quota (docs/adr/0015).
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/pkg/backoff"
	"github.com/dialnote/webhooks/pkg/quota"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

const (
	// lease is for how long a replica counts alone. Another one takes over when it
	// died.
	lease, renewEvery = 10 * time.Second, 3 * time.Second

	// tryEvery is how often the other replicas try to take over.
	tryEvery = 2 * time.Second

	// part is how many messages are counted in one transaction, and within how long
	// those that are there.
	part, partTime = 4096, time.Second

	// forgetEvery is how often the account is compared with what the streams keep.
	forgetEvery = 10 * time.Second

	// waitingEvery is how often what waits is counted.
	waitingEvery = 30 * time.Second

	// settle is for how long after a part the account says again how far it is: those
	// who add to it what they accepted themselves then know that it is counted.
	settle = 2 * quota.Overlap
)

// errLost says that another replica counts.
var errLost = errors.New("another replica counts")

// Broker is the part of stream.Conn that is needed.
type Broker interface {
	Sizes(name string) *stream.Sizes
	Level(ctx context.Context, name string) (stream.Level, error)
	RemoveEvent(ctx context.Context, name string, sequence uint64) error
}

// Counter counts while it has the lease. Any number of replicas may run one.
type Counter struct {
	Replica string
	Store   store.Usage
	Broker  Broker
	Limits  quota.Limits
	Now     func() time.Time
	Log     *slog.Logger

	bytes, largest atomic.Int64
	counting       atomic.Bool
}

// Counting reports whether this replica is the one that counts.
func (c *Counter) Counting() bool { return c.counting.Load() }

// Bytes returns what all organizations use of the streams of events, and the one that
// uses most; 0 on a replica that does not count.
func (c *Counter) Bytes() (all, largest int64) { return c.bytes.Load(), c.largest.Load() }

// Run counts until ctx ends.
func (c *Counter) Run(ctx context.Context) {
	for try := 0; ctx.Err() == nil; {
		err := c.session(ctx)
		switch {
		case err == nil || errors.Is(err, errLost):
			try = 0
			backoff.Sleep(ctx, tryEvery)
		case ctx.Err() == nil:
			if try == 0 {
				c.Log.Warn("usage not counted, retrying", slog.Any("error", err))
			}
			backoff.Sleep(ctx, backoff.Pause(try))
			try++
		}
	}
}

// session counts for as long as this replica has the lease.
func (c *Counter) session(ctx context.Context) error {
	has, err := c.take(ctx)
	if err != nil || !has {
		return err
	}
	s := &session{Counter: c, readers: make(map[string]*stream.Sizes), over: make(map[quota.Name]map[string]int64)}
	defer s.end(context.WithoutCancel(ctx))
	c.counting.Store(true)
	return s.run(ctx)
}

func (c *Counter) take(ctx context.Context) (bool, error) {
	now := c.Now()
	has, err := c.Store.TakeCounting(ctx, c.Replica, now, now.Add(lease))
	if err != nil {
		return false, fmt.Errorf("take the lease: %w", err)
	}
	return has, nil
}

// session is one time of counting.
type session struct {
	*Counter

	account store.Account
	readers map[string]*stream.Sizes
	over    map[quota.Name]map[string]int64 // as it was noted last; nil when it is not known

	renewed, forgot, waited time.Time
	counted                 time.Time // when the last part was that held something
	settled                 bool      // the account has said since how far it is
}

func (s *session) end(ctx context.Context) {
	s.counting.Store(false)
	s.bytes.Store(0)
	s.largest.Store(0)
	ctx, cancel := context.WithTimeout(ctx, tryEvery)
	defer cancel()
	for _, reader := range s.readers {
		reader.Close(ctx)
	}
	now := s.Now()
	_, _ = s.Store.TakeCounting(ctx, s.Replica, now, now) // else the lease runs out
}

func (s *session) run(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	s.renewed = s.Now()
	for ctx.Err() == nil {
		if err := s.renew(ctx); err != nil {
			return err
		}
		if err := s.once(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) load(ctx context.Context) (err error) {
	if s.account, err = s.Store.Counted(ctx); err != nil {
		return fmt.Errorf("load the account: %w", err)
	}
	return nil
}

func (s *session) renew(ctx context.Context) error {
	if s.Now().Sub(s.renewed) < renewEvery {
		return nil
	}
	has, err := s.take(ctx)
	if err == nil && !has {
		err = errLost
	}
	s.renewed = s.Now()
	return err
}

// once counts what has come to each stream, and does what is due.
func (s *session) once(ctx context.Context) error {
	names := stream.EventStreams()
	for _, name := range names {
		if err := s.events(ctx, name, partTime/time.Duration(len(names))); err != nil {
			return err
		}
	}
	for more, began := true, s.Now(); more && s.Now().Sub(began) < partTime; {
		var err error
		if more, err = s.rejected(ctx); err != nil {
			return err
		}
	}
	if s.Now().Sub(s.forgot) >= forgetEvery {
		if err := s.forget(ctx, names); err != nil {
			return err
		}
		s.forgot = s.Now()
	}
	if err := s.noteEvents(ctx); err != nil {
		return err
	}
	return s.noteWaiting(ctx)
}

// events counts what has come to a stream of events.
func (s *session) events(ctx context.Context, name string, wait time.Duration) error {
	began, from := s.Now(), s.account.Positions[name]
	sizes, err := s.read(ctx, name, part, wait)
	if err != nil {
		return err
	}
	p := store.CountedPart{Stream: name, From: from, To: from, Until: began}
	for _, one := range sizes {
		p.To = one.Sequence
		if one.OrganizationID != "" {
			p.Bytes = append(p.Bytes, store.CountedBytes{OrganizationID: one.OrganizationID, Stream: name, Stored: one.Stored, Bytes: one.Bytes})
		}
	}
	switch {
	case len(sizes) == part: // there may be more
		p.Until = sizes[len(sizes)-1].Stored
	case len(sizes) == 0 && (s.settled || began.Sub(s.counted) < settle):
		return nil
	}
	if s.settled = len(sizes) == 0; !s.settled {
		s.counted = began
	}
	return s.commit(ctx, p)
}

// rejected takes off the account what was rejected because of a quota, when it is
// removed from its stream. In this order: a replica that dies in between leaves
// nothing uncounted, and the next one removes it again, which does nothing. It reports
// whether there may be more.
func (s *session) rejected(ctx context.Context) (more bool, err error) {
	const name, most, wait = proto.StreamRejected, 256, 20 * time.Millisecond
	from := s.account.Positions[name]
	sizes, err := s.read(ctx, name, most, wait)
	if err != nil || len(sizes) == 0 {
		return false, err
	}
	p := store.CountedPart{Stream: name, From: from, To: from}
	for _, one := range sizes {
		over := one.OverQuota
		if over != nil && over.Sequence > s.account.Positions[over.Stream] {
			break // it is to be counted first
		}
		p.To = one.Sequence
		if over == nil {
			continue
		}
		if err := s.Broker.RemoveEvent(ctx, over.Stream, over.Sequence); err != nil {
			return false, fmt.Errorf("remove an event that is over a quota: %w", err)
		}
		p.Bytes = append(p.Bytes, store.CountedBytes{OrganizationID: one.OrganizationID, Stream: over.Stream, Stored: over.Stored, Bytes: -over.Bytes})
	}
	if p.To == p.From {
		return false, nil
	}
	return len(sizes) == most, s.commit(ctx, p)
}

func (s *session) read(ctx context.Context, name string, n int, wait time.Duration) ([]stream.Size, error) {
	reader, open := s.readers[name]
	if !open {
		reader = s.Broker.Sizes(name)
		s.readers[name] = reader
	}
	sizes, err := reader.Next(ctx, s.account.Positions[name], n, wait)
	if err != nil {
		return nil, fmt.Errorf("count what is stored: %w", err)
	}
	return sizes, nil
}

// commit adds a part to the account, here and in the database.
func (s *session) commit(ctx context.Context, p store.CountedPart) error {
	done, err := s.Store.Count(ctx, s.Replica, p)
	if err != nil {
		return fmt.Errorf("count a part of %s: %w", p.Stream, err)
	}
	if !done {
		return errLost
	}
	s.account.Positions[p.Stream] = p.To
	for _, b := range p.Bytes {
		s.account.Bytes[b.OrganizationID] += b.Bytes
	}
	return nil
}

// forget takes off the account what the streams no longer keep: what is too old, was
// purged, or went with its stream.
func (s *session) forget(ctx context.Context, names []string) error {
	for _, name := range append(names, proto.StreamRejected) {
		level, err := s.Broker.Level(ctx, name)
		if err != nil {
			return fmt.Errorf("compare the account: %w", err)
		}
		before, begin := level.First, level.Last < s.account.Positions[name] // an older stream was restored
		if level.Messages == 0 || begin {
			before = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		freed, done, err := s.Store.ForgetUsage(ctx, s.Replica, name, before)
		if err != nil {
			return fmt.Errorf("forget what %s no longer keeps: %w", name, err)
		}
		if !done {
			return errLost
		}
		if begin {
			from := s.account.Positions[name]
			if err := s.commit(ctx, store.CountedPart{Stream: name, From: from}); err != nil { // nothing is counted
				return err
			}
		}
		if len(freed) > 0 || begin {
			if err := s.load(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteEvents notes which organizations have reached the quota of events.
func (s *session) noteEvents(ctx context.Context) error {
	over := make(map[string]int64)
	var all, largest int64
	for id, bytes := range s.account.Bytes {
		all, largest = all+bytes, max(largest, bytes)
		if s.Limits.Reached(quota.Events, bytes) {
			over[id] = bytes
		}
	}
	s.bytes.Store(all)
	s.largest.Store(largest)
	return s.note(ctx, quota.Events, over)
}

// noteWaiting notes for which organizations too much waits, from time to time.
func (s *session) noteWaiting(ctx context.Context) error {
	if s.Now().Sub(s.waited) < waitingEvery {
		return nil
	}
	over := make(map[string]int64)
	if limit := s.Limits.Of(quota.Waiting); limit > 0 {
		deliveries, err := s.Store.WaitingOver(ctx, max(limit/quota.WaitingBytes, 1))
		if err != nil {
			return fmt.Errorf("count what waits: %w", err)
		}
		for id, n := range deliveries {
			over[id] = n * quota.WaitingBytes
		}
	}
	s.waited = s.Now()
	return s.note(ctx, quota.Waiting, over)
}

// note writes the list of the organizations that have reached a quota when others
// have than before.
func (s *session) note(ctx context.Context, name quota.Name, over map[string]int64) error {
	before := s.over[name]
	same := before != nil && len(before) == len(over)
	for id := range over {
		_, was := before[id]
		same = same && was
	}
	if same {
		return nil
	}
	done, err := s.Store.NoteOver(ctx, s.Replica, name, over)
	if err != nil {
		return fmt.Errorf("note who has reached the quota %s: %w", name, err)
	}
	if !done {
		return errLost
	}
	for id, bytes := range over {
		if _, was := before[id]; !was {
			s.Log.Warn("organization has reached a quota, its events are refused until there is room",
				slog.String("organization", id), slog.String("quota", string(name)), slog.Int64("bytes", bytes), slog.Int64("limit", s.Limits.Of(name)))
		}
	}
	s.over[name] = maps.Clone(over)
	return nil
}
