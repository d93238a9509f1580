package limit

import (
	"testing"
	"time"
)

// decisionAt is when the decisions of these tables are made.
var decisionAt = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// idle is a webhook with nothing in flight of a replica with 512 places.
func idle(changes ...func(*counts)) counts {
	c := counts{limits: Limits{Total: 512, PerWebhook: 32, MaxWait: 50 * time.Millisecond}, lastEnd: decisionAt}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func inFlight(n int) func(*counts) {
	return func(c *counts) { c.inFlight, c.total, c.own.total = n, c.total+n, c.own.total+n }
}

// itsOthers are attempts to other webhooks of the same organization.
func itsOthers(inFlight, slow int) func(*counts) {
	return func(c *counts) {
		c.total, c.slow = c.total+inFlight, c.slow+slow
		c.own.total, c.own.slow = c.own.total+inFlight, c.own.slow+slow
	}
}

func others(inFlight, slow int) func(*counts) {
	return func(c *counts) { c.total, c.slow = c.total+inFlight, c.slow+slow }
}

func waiting(n int) func(*counts) { return func(c *counts) { c.waiting = n } }

func takes(latency time.Duration) func(*counts) { return func(c *counts) { c.latency = latency } }

func silentFor(d time.Duration) func(*counts) {
	return func(c *counts) { c.lastEnd = decisionAt.Add(-d) }
}

func remembered(c *counts) { c.remembered = true }

func recordingAFailure(c *counts) { c.failures = 1 }

func TestDecide(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		counts counts
		want   decision
	}{
		"nothing in flight":                        {idle(), granted},
		"one place left":                           {idle(inFlight(31)), granted},
		"none left, and unknown":                   {idle(inFlight(32)), queued},
		"none left, silent for less than half":     {idle(inFlight(32), silentFor(25*ms-1)), queued},
		"none left, silent for half of the wait":   {idle(inFlight(32), silentFor(25*ms)), refused},
		"none left, known, silent for half of it":  {idle(inFlight(32), takes(20*ms), silentFor(25*ms)), queued},
		"none left, known, silent for all of it":   {idle(inFlight(32), takes(ms), silentFor(50*ms)), refused},
		"the turn comes in time":                   {idle(inFlight(32), takes(100*ms), waiting(15)), queued},
		"the turn comes too late":                  {idle(inFlight(32), takes(100*ms), waiting(16)), refused},
		"fast enough for a line of any length":     {idle(inFlight(32), takes(16*ms), waiting(5000)), queued},
		"not quite fast enough":                    {idle(inFlight(32), takes(17*ms), waiting(5000)), refused},
		"a place is free, and others wait":         {idle(inFlight(1), waiting(1), takes(ms)), queued},
		"a failure is being recorded":              {idle(recordingAFailure), queued},
		"an eighth of what is left":                {idle(others(512-88, 0), inFlight(8)), granted},
		"more than an eighth of what is left":      {idle(others(512-88, 0), inFlight(9)), queued},
		"the last place":                           {idle(others(511, 0)), granted},
		"slow ones have all but a quarter":         {idle(others(383, 383)), granted},
		"slow ones have three quarters":            {idle(others(384, 384)), refused},
		"slow ones have three quarters, a fast":    {idle(others(384, 384), remembered), granted},
		"was fast, and takes long now":             {idle(others(384, 384), remembered, inFlight(1), takes(fastLatency+1)), refused},
		"is as slow as a fast one may be":          {idle(others(384, 384), inFlight(1), takes(fastLatency)), granted},
		"was fast, and has not answered since":     {idle(others(384, 384), remembered, inFlight(1), silentFor(fastLatency+1)), refused},
		"was fast, and is about to answer":         {idle(others(384, 384), remembered, inFlight(1), silentFor(fastLatency)), granted},
		"was slow, is forgotten, and answers fast": {idle(others(384, 384), inFlight(1), takes(ms)), granted},

		"its organization has half of what slow ones may have": {idle(itsOthers(191, 191)), granted},
		"its organization has all of its share for slow ones":  {idle(itsOthers(192, 192)), refused},
		"it has, and the webhook is fast":                      {idle(itsOthers(192, 192), remembered), granted},
		"it has, and this is another organization's":           {idle(others(192, 192)), granted},
		"two organizations, a third for each":                  {idle(itsOthers(127, 127), others(128, 128)), granted},
		"two organizations, more than a third":                 {idle(itsOthers(128, 128), others(129, 129)), refused},
		"its organization has less than three quarters":        {idle(itsOthers(383, 0), remembered), granted},
		"its organization has three quarters":                  {idle(itsOthers(384, 0), remembered), refused},
		"another has three quarters":                           {idle(others(384, 0), remembered), granted},
		"slow ones have all they may, of the quarter its half": {idle(others(384, 384), itsOthers(95, 0), remembered), granted},
		"slow ones have all they may, of the quarter more":     {idle(others(384, 384), itsOthers(96, 0), remembered), refused},
		"its organization has its share, and it has something": {idle(itsOthers(380, 0), inFlight(4), takes(ms)), refused},
	} {
		if got := c.counts.decide(decisionAt); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestExtends(t *testing.T) {
	t.Parallel()
	const bound = 50 * time.Millisecond
	for name, c := range map[string]struct {
		counts counts
		before int
		want   bool
	}{
		"unknown":           {idle(inFlight(1)), 0, false},
		"answers":           {idle(inFlight(1), takes(time.Second)), 0, true},
		"few are before":    {idle(inFlight(32), takes(100*time.Millisecond)), 15, true},
		"many are before":   {idle(inFlight(32), takes(100*time.Millisecond)), 16, false},
		"answers no more":   {idle(inFlight(1), takes(time.Millisecond), silentFor(bound)), 0, false},
		"has just answered": {idle(inFlight(1), takes(time.Millisecond), silentFor(bound-1)), 0, true},
	} {
		if got := c.counts.extends(bound, c.before, decisionAt); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counts counts
		want   bool
	}{
		"none in flight":      {idle(silentFor(time.Hour)), true},
		"answered just now":   {idle(inFlight(1), silentFor(fastLatency-1)), true},
		"silent for too long": {idle(inFlight(1), silentFor(fastLatency)), false},
	} {
		if got := c.counts.answers(decisionAt); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		counts       counts
		atMost, held int
		want         int
	}{
		"nothing in flight":                   {idle(), 100, 0, 32},
		"nothing in flight, of a fast one":    {idle(remembered, takes(ms)), 100, 0, 32},
		"one at a time, of a fast one":        {idle(inFlight(1), takes(ms)), 1, 1, 1},
		"others in flight and in line":        {idle(inFlight(20), waiting(5)), 100, 0, 7},
		"its own in flight and in line":       {idle(inFlight(20), waiting(5)), 100, 25, 32},
		"more of others than there is room":   {idle(inFlight(32), waiting(5)), 100, 0, 0},
		"as many again of a fast one":         {idle(inFlight(32), takes(ms)), 100, 32, 64},
		"what a fast one takes in ten ms":     {idle(inFlight(32), takes(20*ms)), 100, 32, 48},
		"slow ones have three quarters":       {idle(others(384, 384)), 100, 0, 0},
		"slow ones have three quarters, fast": {idle(others(384, 384), remembered), 100, 0, 16},
	} {
		if got := c.counts.window(c.atMost, c.held, decisionAt); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
