package limit

import (
	"time"

	"github.com/dialnote/webhooks/pkg/share"
)

const (
	// fastLatency is how long attempts take at most, on average, of a webhook that
	// answers fast.
	fastLatency = 250 * time.Millisecond

	// fastShare is the part of all places, one in so many, that is kept for
	// webhooks that answer fast.
	fastShare = 4

	// webhookFactor is how much one webhook may have of the places that are free.
	webhookFactor = 1.0 / 8

	// organizationFactor is how much one organization may have of them. Alone it may
	// have three quarters; what is left is enough for the webhooks of others that
	// answer fast.
	organizationFactor = 3

	// slowFactor is how much an organization may have, for webhooks that are not known
	// to be fast, of the places that are free for such webhooks.
	slowFactor = 1

	// keepUpCost is how much of a webhook's time one delivery may take for the
	// webhook to keep up: about what it takes to put a delivery into its lane and
	// to take it out again.
	keepUpCost = 500 * time.Microsecond

	// maxExtensions is how often a delivery may wait on while its webhook goes on
	// answering.
	maxExtensions = 9
)

// Limits bound the attempts of a replica.
type Limits struct {
	Total      int           // attempts at once, of all webhooks
	PerWebhook int           // attempts at once, of one webhook
	MaxWait    time.Duration // how long a delivery may expect to wait for its webhook's turn, once an attempt of it has ended
}

// places says how many attempts an organization may have in flight.
func (l Limits) places() share.Rule { return share.Rule{Total: l.Total, Factor: organizationFactor} }

// slowPlaces says how many of them may be to webhooks that are not known to be fast.
func (l Limits) slowPlaces() share.Rule {
	return share.Rule{Total: l.Total - l.Total/fastShare, Factor: slowFactor}
}

// ofWebhook says how many attempts a webhook may have in flight.
func (l Limits) ofWebhook() share.Rule { return share.Rule{Total: l.Total, Factor: webhookFactor} }

// tally is how many attempts are in flight.
type tally struct {
	total int
	slow  int // of total, to webhooks that were not known to be fast when the attempt began
}

// counts is what is known of a webhook and of its replica when a decision is made.
type counts struct {
	limits Limits
	tally        // of all webhooks
	own    tally // of the webhook's organization

	inFlight   int           // attempts
	waiting    int           // deliveries that wait for their turn
	failures   int           // that are being recorded
	latency    time.Duration // how long attempts take, on average; 0 when that is not known
	remembered bool          // it answered fast the last time that it had attempts
	lastEnd    time.Time     // when an attempt last ended, or the first of those in flight began
}

// decision is what a delivery that asks for a place gets.
type decision int

const (
	refused decision = iota // it should go to the webhook's lane
	granted                 // it has a place
	queued                  // a place will soon be free
)

// decide returns what a delivery gets that asks for a place.
func (c counts) decide(now time.Time) decision {
	switch {
	case !c.admits(now):
		return refused
	case c.free(now):
		return granted
	case c.answersWithin(c.maxWait(), c.waiting, now):
		return queued
	}
	return refused
}

// admits reports whether there is a place for the webhook, apart from its own
// limit.
func (c counts) admits(now time.Time) bool { return c.heldBack(now) == nil }

// heldBack returns why there is no place for the webhook, apart from its own limit:
// share.ErrOverShare when its organization has its share, share.ErrFull when all
// places are taken, and nil when there is one.
func (c counts) heldBack(now time.Time) error {
	if err := c.limits.places().Check(c.total, c.own.total, 1); err != nil || c.fast(now) {
		return err
	}
	return c.limits.slowPlaces().Check(c.slow, c.own.slow, 1)
}

// room returns how many places there are for the webhook, apart from its own limit.
func (c counts) room(now time.Time) int {
	n := c.limits.places().Room(c.total, c.own.total)
	if c.fast(now) {
		return n
	}
	return min(n, c.limits.slowPlaces().Room(c.slow, c.own.slow))
}

// free reports whether a delivery that comes now has a place at once.
func (c counts) free(now time.Time) bool { return c.waiting == 0 && c.served(now) }

// served reports whether the first in line has a place.
func (c counts) served(now time.Time) bool {
	return c.inFlight < c.limit() && c.failures == 0 && c.admits(now)
}

// limit returns how many attempts the webhook may have in flight.
func (c counts) limit() int {
	return min(c.limits.PerWebhook, c.limits.ofWebhook().Most(c.total))
}

// fast reports whether the webhook is known to answer fast, and does now.
func (c counts) fast(now time.Time) bool {
	switch {
	case c.inFlight == 0:
		return c.remembered
	case now.Sub(c.lastEnd) > fastLatency:
		return false
	case c.latency > 0:
		return c.latency <= fastLatency
	}
	return c.remembered
}

// fastEnough reports whether the webhook takes deliveries about as fast as they
// could be put into its lane: then waiting for it holds up no other webhook.
func (c counts) fastEnough(now time.Time) bool {
	return c.latency > 0 && max(c.latency, now.Sub(c.lastEnd))/time.Duration(c.limit()) <= keepUpCost
}

// maxWait returns how long a delivery may wait for its turn. A delivery that waits
// holds a slot that others need, so an endpoint that has not shown yet how fast it
// is gets half of the time.
func (c counts) maxWait() time.Duration {
	if c.latency == 0 {
		return c.limits.MaxWait / 2
	}
	return c.limits.MaxWait
}

// answersWithin reports whether the webhook answers at all, and whether a delivery
// with so many before it may expect its turn within bound. Of a webhook that keeps
// up only the first is asked: putting a delivery into its lane would take as long.
func (c counts) answersWithin(bound time.Duration, before int, now time.Time) bool {
	if now.Sub(c.lastEnd) >= bound {
		return false
	}
	return c.fastEnough(now) || c.latency*time.Duration(before+1)/time.Duration(c.limit()) <= bound
}

// extends reports whether a delivery that has waited for bound waits on, when so
// many are before it: what a busy machine delays is not the webhook's fault.
func (c counts) extends(bound time.Duration, before int, now time.Time) bool {
	return c.latency > 0 && c.answersWithin(bound, before, now)
}

// answers reports whether an attempt has ended lately, or none is in flight: then
// the line only waits for a failure to be recorded.
func (c counts) answers(now time.Time) bool {
	return c.inFlight == 0 || now.Sub(c.lastEnd) < fastLatency
}

// window returns how many deliveries of the webhook's lane to hold when at most
// atMost of them may be in flight and so many are held: no more than there is room
// for.
func (c counts) window(atMost, held int, now time.Time) int {
	if !c.admits(now) {
		return 0
	}
	return min(c.use(atMost, held, now), held+c.room(now))
}

// use returns how many deliveries of the lane the webhook has use for: those, and as many more as
// will have their turn within some milliseconds, so that a fast endpoint never
// waits for the next and a slow one holds nothing that others could use. Of one
// that is slow, or not known yet, that is what it has places for beside the
// attempts that did not come out of the lane: a delivery that waits for those waits
// until the deadline.
func (c counts) use(atMost, held int, now time.Time) int {
	const ahead = 10 * time.Millisecond
	limit := min(atMost, c.limit())
	switch {
	case c.inFlight == 0 && c.waiting == 0 && c.failures == 0:
		return limit
	case !c.fast(now):
		others := max(0, c.inFlight+c.waiting-held)
		return max(0, min(atMost, c.limit()-others))
	case c.latency == 0 || limit == 1:
		return limit
	}
	return limit + min(limit, int(ahead*time.Duration(limit)/c.latency))
}
