// Package share divides what there is of something, such as requests at once, bytes
// or connections, among those that want it, so that no one takes it from the
// others.
//
// A holder, which most often is an organization, may have as much as is free, times
// a factor. So one alone may have much, the more holders there are the less each may
// have, and something stays free for the next one (dynamic thresholds: Choudhury and
// Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998).
package share

import "errors"

// Why a holder does not get what it wants.
var (
	// ErrOverShare says that the holder has its share: others may get more.
	ErrOverShare = errors.New("the holder has its share")

	// ErrFull says that there is not enough left for a holder that has nothing yet.
	ErrFull = errors.New("not enough is left")
)

// Rule says how much a holder may have.
type Rule struct {
	// Total is what there is, at least 1.
	Total int

	// Factor is how much a holder may have of what is free; more than 0. With 1, one
	// that is alone may have a half, each of two a third, and so on.
	Factor float64
}

// Check returns nil when a holder that has own may have so much more while all
// holders together have used. Otherwise it returns ErrOverShare or ErrFull. A holder
// that has nothing gets what it wants if there is so much.
func (r Rule) Check(used, own, want int) error {
	free := r.Total - used
	switch {
	case own > 0 && float64(own+want) > r.Factor*float64(free):
		return ErrOverShare
	case want > free:
		return ErrFull
	}
	return nil
}

// Most returns how much a holder may have while all holders together have used, at
// least 1.
func (r Rule) Most(used int) int { return max(1, int(r.Factor*float64(r.Total-used))) }

// Room returns how often a holder that has own may take 1 more, one after the other,
// while all holders together have used.
func (r Rule) Room(used, own int) int {
	free := r.Total - used
	// The n-th of them is taken when n-1 fewer are free.
	n := int((r.Factor*float64(free+1) - float64(own)) / (1 + r.Factor))
	if own == 0 {
		n = max(n, 1)
	}
	return max(0, min(n, free))
}

// Ledger has what each holder has under a rule. Not safe for concurrent use.
type Ledger struct {
	rule Rule
	used int
	own  map[string]int // of holders that have something
}

// NewLedger returns a ledger in which nothing is taken.
func NewLedger(r Rule) *Ledger { return &Ledger{rule: r, own: make(map[string]int)} }

// Take takes n for a holder and returns nil, or takes nothing and returns
// ErrOverShare or ErrFull.
func (l *Ledger) Take(holder string, n int) error {
	if err := l.rule.Check(l.used, l.own[holder], n); err != nil {
		return err
	}
	l.Force(holder, n)
	return nil
}

// Force takes n for a holder whatever the rule says, in place of what another one, or
// the holder itself, has just given back.
func (l *Ledger) Force(holder string, n int) {
	l.used += n
	l.own[holder] += n
}

// Give gives back n that the holder has.
func (l *Ledger) Give(holder string, n int) {
	l.used -= n
	if l.own[holder] -= n; l.own[holder] == 0 {
		delete(l.own, holder)
	}
}

// Used returns how much all holders have.
func (l *Ledger) Used() int { return l.used }

// Free returns how much no holder has.
func (l *Ledger) Free() int { return l.rule.Total - l.used }
