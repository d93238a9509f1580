package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
)

// Each count of waiting deliveries asks the stream's leader for its subjects: a
// cached answer, or a follower's, may be out of date. The server takes one filter
// a request, and a webhook has two subjects, its lane and its retries. So a list
// of webhooks is counted in one of two ways. When few subjects wait in all, as on
// most days, one request lists them. When many do, there are requests for each
// webhook: listing 100,000 lanes would cost too much for an organization with
// three webhooks.

const (
	// listUpTo is how many subjects there may be for each webhook that is counted
	// for all of them to be listed: listing that many costs less than asking twice
	// (BenchmarkHeld in services/config-api/app). listMost bounds an answer, to
	// about half a megabyte.
	listUpTo = 100
	listMost = 10_000

	// askAtOnce bounds the requests for one list that are under way.
	askAtOnce = 16
)

// standing is the part of the lanes' stream information that counting needs.
type standing struct {
	Total int `json:"total"` // subjects that the filter matches
	State struct {
		Everything int               `json:"num_subjects"` // subjects of the whole stream
		Subjects   map[string]uint64 `json:"subjects"`     // how many messages each matching one has
	} `json:"state"`
	Error *jetstream.APIError `json:"error"`
}

// Held returns how many deliveries wait for a webhook: in its lane, on the way
// to a receiver out of it, scheduled, or in its ordered place in the stream.
func (c *Conn) Held(ctx context.Context, w webhook.Webhook) (int64, error) {
	held, err := c.HeldEach(ctx, []webhook.Webhook{w})
	return held[w.ID], err
}

// HeldEach is Held for each webhook of a list, by their ids. One for which none
// wait need not be in the map.
func (c *Conn) HeldEach(ctx context.Context, ws []webhook.Webhook) (map[string]int64, error) {
	if len(ws) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	count := counting{held: make(map[string]int64, len(ws)), free: make(chan struct{}, askAtOnce)}
	for _, w := range ws {
		if w.Ordered() {
			count.ask(w.ID, func() (uint64, error) { return c.Waiting(ctx, w) })
		}
	}
	first, err := c.standing(ctx, proto.SubjectLane(ws[0].ID), 0)
	switch {
	case err != nil:
		count.fail(err)
	case first.State.Everything == len(first.State.Subjects): // no other lane has messages
		count.add(ws[0].ID, first.sum())
	case first.State.Everything <= min(listUpTo*len(ws), listMost):
		count.fail(c.listHeld(ctx, &count, ws, first))
	default:
		c.askEach(ctx, &count, ws, first)
	}
	count.under.Wait()
	if err := errors.Join(count.errs...); err != nil {
		return nil, fmt.Errorf("count held deliveries: %w", err)
	}
	return count.held, nil
}

// listHeld counts with one request for all that waits.
func (c *Conn) listHeld(ctx context.Context, count *counting, ws []webhook.Webhook, first standing) error {
	all, err := c.standing(ctx, ">", 0)
	if err != nil {
		return err
	}
	if all.Total > len(all.State.Subjects) { // meanwhile there are more than a response holds
		c.askEach(ctx, count, ws, first)
		return nil
	}
	waits := make(map[string]uint64, len(all.State.Subjects))
	for subject, n := range all.State.Subjects {
		waits[laneOf(subject)] += n
	}
	for _, w := range ws {
		count.add(w.ID, waits[w.ID])
	}
	return nil
}

// laneOf returns the webhook of a lane's or a retry's subject.
func laneOf(subject string) string {
	if id, is := strings.CutPrefix(subject, proto.PrefixLanes+"."); is {
		return id
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(subject, proto.PrefixRetries+"."), ".")
	return id
}

// askEach makes requests for each webhook, except for the first one's lane, which
// is known.
func (c *Conn) askEach(ctx context.Context, count *counting, ws []webhook.Webhook, first standing) {
	count.add(ws[0].ID, first.sum())
	for i, w := range ws {
		if i > 0 {
			count.ask(w.ID, func() (uint64, error) {
				lane, err := c.standing(ctx, proto.SubjectLane(w.ID), 0)
				return lane.sum(), err
			})
		}
		count.ask(w.ID, func() (uint64, error) {
			// A subject each: how many there are is enough. A page behind the last
			// one has none of them, where there may be a hundred thousand.
			retries, err := c.standing(ctx, proto.SubjectRetries(w.ID), math.MaxInt32)
			return uint64(max(retries.Total, 0)), err
		})
	}
}

// standing asks the leader of the stream of the lanes about the subjects that a
// filter matches, and lists them from offset on.
func (c *Conn) standing(ctx context.Context, filter string, offset int) (standing, error) {
	var s standing
	request, err := json.Marshal(map[string]any{"subjects_filter": filter, "offset": offset})
	if err != nil {
		return s, fmt.Errorf("ask about %s: %w", filter, err)
	}
	answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+proto.StreamLanes, request)
	if err == nil {
		err = json.Unmarshal(answer.Data, &s)
	}
	if err == nil && s.Error != nil {
		err = s.Error
	}
	if err != nil {
		return s, fmt.Errorf("count %s: %w", filter, unavailable(err))
	}
	return s, nil
}

func (s standing) sum() uint64 {
	var n uint64
	for _, messages := range s.State.Subjects {
		n += messages
	}
	return n
}

// counting is a count in progress.
type counting struct {
	under sync.WaitGroup
	free  chan struct{}

	mu   sync.Mutex
	held map[string]int64
	errs []error
}

// ask calls how in a goroutine and adds what it returns to a webhook's count.
func (c *counting) ask(webhookID string, how func() (uint64, error)) {
	c.free <- struct{}{}
	c.under.Go(func() {
		defer func() { <-c.free }()
		n, err := how()
		c.fail(err)
		c.add(webhookID, n)
	})
}

func (c *counting) add(webhookID string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[webhookID] += int64(n) //nolint:gosec // a stream never holds 2^63 messages
}

// fail keeps err unless it is nil.
func (c *counting) fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}
