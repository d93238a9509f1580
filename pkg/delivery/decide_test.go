package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// The tests speak of seconds after an arbitrary instant.
func at(seconds float64) time.Time {
	return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func active() webhook.Webhook {
	return webhook.Webhook{ID: "wh_1", OrganizationID: "acme", Provider: webhook.Custom, Event: webhook.SendCallLogs}
}

// attempt is the number-th attempt, made from start to end.
func attempt(number int, start, end float64, o delivery.Outcome) delivery.Attempt {
	return delivery.Attempt{ID: "att_1", Number: number, StartedAt: at(start), EndedAt: at(end), Outcome: o}
}

func failed(r delivery.Reason) delivery.Outcome {
	return delivery.Outcome{Result: delivery.Failed, Reason: r, Message: "It failed."}
}

func succeeded() delivery.Outcome {
	return delivery.Outcome{Result: delivery.Succeeded, StatusCode: 200}
}

// near reports whether got is want after from, within the ±10 % of jitter.
func near(got, from time.Time, want time.Duration) bool {
	pause := got.Sub(from)
	return pause >= want*9/10 && pause <= want*11/10
}

func TestEachFailedAttemptIsRetriedByTheSchedule(t *testing.T) {
	t.Parallel()
	p := delivery.DefaultPolicy()
	for i, step := range p.Schedule {
		_, d := delivery.Decide(p, active(), attempt(i+1, 0, 1, failed(delivery.ReasonClientError)))
		if d.Action != delivery.Retry || d.Status != delivery.StatusRetrying || !near(d.At, at(1), step) {
			t.Errorf("after attempt %d: %+v, want a retry after %s", i+1, d, step)
		}
	}
	_, d := delivery.Decide(p, active(), attempt(6, 0, 1, failed(delivery.ReasonClientError)))
	if d.Action != delivery.Done || d.Status != delivery.StatusFailed {
		t.Errorf("after the sixth attempt: %+v, want failed", d)
	}
}

func TestTroubleHoldsTheWebhookAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	holds := map[delivery.Reason]bool{
		delivery.ReasonDNS: true, delivery.ReasonConnect: true, delivery.ReasonTLS: true, delivery.ReasonTimeout: true,
		delivery.ReasonReset: true, delivery.ReasonRateLimited: true, delivery.ReasonServerError: true,
		delivery.ReasonBlockedAddress: true, delivery.ReasonProtocol: true,
		delivery.ReasonClientError: false, delivery.ReasonRedirect: false, delivery.ReasonGone: false, delivery.ReasonInternal: false,
	}
	for reason, want := range holds {
		h, d := delivery.Decide(delivery.DefaultPolicy(), active(), attempt(1, 0, 1, failed(reason)))
		if h.OnHold() != want {
			t.Errorf("%s: on hold is %t, want %t", reason, h.OnHold(), want)
		}
		if !want {
			continue
		}
		if !near(h.HoldUntil, at(1), 10*time.Second) {
			t.Errorf("%s: hold until %s after the failure, want 10 s", reason, h.HoldUntil.Sub(at(1)))
		}
		if d.Action != delivery.Wait || !d.At.Equal(h.HoldUntil) || d.Status != delivery.StatusRetrying {
			t.Errorf("%s: %+v, want to wait for the hold", reason, d)
		}
	}
}

func TestOwnFaultIsNotCounted(t *testing.T) {
	t.Parallel()
	h, d := delivery.Decide(delivery.DefaultPolicy(), active(), attempt(1, 0, 1, failed(delivery.ReasonInternal)))
	if h.FailureCount != 0 || d.Counted || d.Action != delivery.Retry {
		t.Errorf("health %+v, decision %+v", h, d)
	}
}

func TestConsecutiveMeansOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts [][2]float64 // failed, in the order recorded
		want     int
	}{
		"one":                               {[][2]float64{{0, 1}}, 1},
		"one after the other":               {[][2]float64{{0, 1}, {1.5, 2.5}}, 2},
		"before the first was known":        {[][2]float64{{0, 1}, {1.4, 2}}, 1},
		"overlapping":                       {[][2]float64{{0, 2}, {1, 3}}, 1},
		"overlapping by a moment":           {[][2]float64{{0, 1.001}, {1, 2}}, 1},
		"inside":                            {[][2]float64{{0, 10}, {3, 4}}, 1},
		"around":                            {[][2]float64{{3, 4}, {0, 10}}, 1},
		"recorded in the other order":       {[][2]float64{{1.5, 2.5}, {0, 1}}, 2},
		"unknown, in the other order":       {[][2]float64{{1.4, 2}, {0, 1}}, 1},
		"overlaps only what is not counted": {[][2]float64{{0, 2}, {1, 4}, {3, 5}}, 2},
		"fifty at once":                     {fifty(), 1},
	} {
		w, p := active(), delivery.DefaultPolicy()
		p.AutoDisableAfter = 100
		for _, took := range c.attempts {
			w.Health, _ = delivery.Decide(p, w, attempt(1, took[0], took[1], failed(delivery.ReasonTimeout)))
		}
		if w.Health.FailureCount != c.want {
			t.Errorf("%s: count is %d, want %d", name, w.Health.FailureCount, c.want)
		}
	}
}

// Until a failure is recorded no other replica knows of it: a slow database does
// not make several failures of one outage.
func TestAFailureThatBeganBeforeAnotherWasRecorded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded float64 // when the first failure was, which took from 0 to 1
		began    float64 // the second, which took a tenth of a second
		reason   delivery.Reason
		want     int
	}{
		"recorded at once":                   {1.01, 3, delivery.ReasonTimeout, 2},
		"recorded later than it began":       {5, 3, delivery.ReasonTimeout, 1},
		"before the others could know":       {5, 5.4999, delivery.ReasonTimeout, 1},
		"when the others could know":         {5, 5.5, delivery.ReasonTimeout, 2},
		"before the first, recorded later":   {5, -3, delivery.ReasonTimeout, 1},
		"during the hold, recorded after it": {60, 8.9, delivery.ReasonTimeout, 1},
		"after the hold, recorded after it":  {60, 12.1, delivery.ReasonTimeout, 2},
		"the endpoint refused the payload":   {5, 3, delivery.ReasonClientError, 2},
	} {
		w, p := active(), delivery.DefaultPolicy()
		first := attempt(1, 0, 1, failed(delivery.ReasonTimeout))
		first.RecordedAt = at(c.recorded)
		w.Health, _ = delivery.Decide(p, w, first)
		second := attempt(1, c.began, c.began+0.1, failed(c.reason))
		second.RecordedAt = at(max(c.recorded, c.began+0.1))
		h, d := delivery.Decide(p, w, second)
		if h.FailureCount != c.want || d.Counted != (c.want == 2) {
			t.Errorf("%s: count is %d, want %d; counted %t", name, h.FailureCount, c.want, d.Counted)
		}
	}
}

func fifty() [][2]float64 {
	all := make([][2]float64, 50)
	for i := range all {
		all[i] = [2]float64{float64(i) / 1000, 1 + float64(i)/1000}
	}
	return all
}

func TestOverlappingFailureDoesNotLengthenTheHold(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonReset)))
	first := w.Health.HoldUntil
	h, d := delivery.Decide(p, w, attempt(1, 0.5, 2, failed(delivery.ReasonReset)))
	if !h.HoldUntil.Equal(first) || d.Counted || d.Action != delivery.Wait {
		t.Errorf("hold moved from %s to %s, decision %+v", first, h.HoldUntil, d)
	}
}

func TestSuccessEndsEverything(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonServerError)))
	h, d := delivery.Decide(p, w, attempt(2, 12, 13, succeeded()))
	if h.FailureCount != 0 || h.OnHold() || len(h.Outages) != 0 || !h.LastSentAt.Equal(at(13)) {
		t.Errorf("health is %+v", h)
	}
	if h.LastError == nil {
		t.Error("the last error is gone; it is kept to be read")
	}
	if d.Action != delivery.Done || d.Status != delivery.StatusDelivered {
		t.Errorf("decision is %+v", d)
	}
}

func TestFailureThatEndedBeforeTheLastSuccessIsHistory(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 2, 3, succeeded()))
	h, d := delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	if h.FailureCount != 0 || h.OnHold() || d.Action != delivery.Retry {
		t.Errorf("health %+v, decision %+v", h, d)
	}
}

func TestSuccessRecordedLateEndsOnlyWhatCameBeforeIt(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	w.Health, _ = delivery.Decide(p, w, attempt(1, 20, 21, failed(delivery.ReasonTimeout)))
	h, _ := delivery.Decide(p, w, attempt(1, 4, 5, succeeded()))
	if h.FailureCount != 1 || !h.OnHold() || !h.LastSentAt.Equal(at(5)) {
		t.Errorf("health is %+v, want the failure after the success to stand", h)
	}
	if w.Health.FailureCount != 2 || len(w.Health.Outages) != 2 {
		t.Error("the health before was changed")
	}
}

func TestLateSuccessKeepsTheLatestTime(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 2, 3, succeeded()))
	h, _ := delivery.Decide(p, w, attempt(1, 0, 1, succeeded()))
	if !h.LastSentAt.Equal(at(3)) || !h.CountFrom.Equal(at(3)) {
		t.Errorf("last sent at %s, counting from %s, want the later one", h.LastSentAt, h.CountFrom)
	}
}

func TestThirdFailureDisables(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	for i := range 3 {
		if w.Status() != webhook.StatusActive {
			t.Fatalf("disabled after %d failures", i)
		}
		start := float64(i) * 1000
		var d delivery.Decision
		w.Health, d = delivery.Decide(p, w, attempt(i+1, start, start+1, failed(delivery.ReasonServerError)))
		if want := []time.Duration{10 * time.Second, 5 * time.Minute}; i < 2 && !near(w.Health.HoldUntil, at(start+1), want[i]) {
			t.Errorf("hold %d ends after %s, want %s", i+1, w.Health.HoldUntil.Sub(at(start+1)), want[i])
		}
		if i == 2 && (d.Action != delivery.Wait || d.Status != delivery.StatusHeld) {
			t.Errorf("decision is %+v, want held", d)
		}
	}
	if w.Health.AutoDisabled != webhook.DisabledForFailures || w.Health.OnHold() || w.Health.FailureCount != 3 {
		t.Errorf("health is %+v", w.Health)
	}
	h := w.Health.Enable(at(5000))
	if h.AutoDisabled != webhook.NotAutoDisabled || h.FailureCount != 0 || h.OnHold() || h.LastError == nil {
		t.Errorf("enabled health is %+v", h)
	}
	// What was in flight when it was disabled is history once it is enabled.
	w.Health = h
	if h, _ = delivery.Decide(p, w, attempt(1, 1990, 2020, failed(delivery.ReasonTimeout))); h.FailureCount != 0 {
		t.Errorf("count is %d after enabling", h.FailureCount)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	w := active()
	h, d := delivery.Decide(delivery.DefaultPolicy(), w, attempt(1, 0, 1, failed(delivery.ReasonGone)))
	if h.AutoDisabled != webhook.DisabledAsGone || d.Action != delivery.Wait {
		t.Errorf("health %+v, decision %+v", h, d)
	}
	w.Provider = webhook.Zapier
	if _, d = delivery.Decide(delivery.DefaultPolicy(), w, attempt(1, 0, 1, failed(delivery.ReasonGone))); d.Action != delivery.Remove {
		t.Errorf("a Zapier subscription: %+v, want it removed", d)
	}
}

func TestRetryAfterLengthensTheHold(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		0:                10 * time.Second,
		time.Second:      10 * time.Second,
		2 * time.Minute:  2 * time.Minute,
		5 * time.Hour:    5 * time.Hour,
		1000 * time.Hour: 5 * time.Hour,
	} {
		o := failed(delivery.ReasonRateLimited)
		o.RetryAfter = asked
		h, d := delivery.Decide(delivery.DefaultPolicy(), active(), attempt(1, 0, 1, o))
		if !near(h.HoldUntil, at(1), want) || d.Action != delivery.Wait {
			t.Errorf("Retry-After %s: hold of %s, want %s", asked, h.HoldUntil.Sub(at(1)), want)
		}
	}
}

// Retry-After lengthens a hold; by itself it is none.
func TestRetryAfterMakesNoHold(t *testing.T) {
	t.Parallel()
	w := active()
	w.Health.CountFrom = at(10)
	o := failed(delivery.ReasonServerError)
	o.RetryAfter = time.Hour
	h, d := delivery.Decide(delivery.DefaultPolicy(), w, attempt(1, 0, 1, o)) // history: a success came after it
	if h.OnHold() || d.Action != delivery.Retry {
		t.Errorf("health %+v, decision %+v", h, d)
	}
}

func TestTheLastErrorIsTheLatest(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	for _, c := range []struct {
		start, end float64
		want       delivery.Reason
	}{
		{5, 6, delivery.ReasonTimeout},
		{0, 1, delivery.ReasonTimeout},     // recorded late
		{5, 6, delivery.ReasonServerError}, // at the same time: the one recorded last
		{7, 8, delivery.ReasonReset},
	} {
		reason := c.want
		if c.start == 0 {
			reason = delivery.ReasonDNS
		}
		w.Health, _ = delivery.Decide(p, w, attempt(1, c.start, c.end, failed(reason)))
		if got := w.Health.LastError; got.Reason != string(c.want) || got.Message == "" {
			t.Errorf("after a failure at %v the last error is %+v, want %s", c.end, got, c.want)
		}
	}
}

// Pauses are spread over the whole of ±10 %, and the same for the same attempt
// on every replica.
func TestPausesAreSpread(t *testing.T) {
	t.Parallel()
	const step = 100 * time.Second
	p := delivery.Policy{Schedule: []time.Duration{step}, AutoDisableAfter: 3}
	least, most := time.Hour, time.Duration(0)
	for i := range 1000 {
		a := attempt(1, 0, 1, failed(delivery.ReasonClientError))
		a.ID = delivery.ID("an id like", fmt.Sprint("an attempt's ", i))
		_, d := delivery.Decide(p, active(), a)
		_, same := delivery.Decide(p, active(), a)
		if !d.At.Equal(same.At) {
			t.Errorf("%s is retried at %s and at %s", a.ID, d.At, same.At)
		}
		least, most = min(least, d.At.Sub(a.EndedAt)), max(most, d.At.Sub(a.EndedAt))
	}
	if least < 90*time.Second || least > 91*time.Second || most < 109*time.Second || most > 110*time.Second {
		t.Errorf("pauses of %s are from %s to %s", step, least, most)
	}
}

func TestRetryLaterThanTheHoldIsScheduled(t *testing.T) {
	t.Parallel()
	// The third attempt of one delivery is the first failure of its webhook: the
	// webhook is held for 10 s and the delivery retried after 30 min.
	h, d := delivery.Decide(delivery.DefaultPolicy(), active(), attempt(3, 0, 1, failed(delivery.ReasonTimeout)))
	if !near(h.HoldUntil, at(1), 10*time.Second) || d.Action != delivery.Retry || !near(d.At, at(1), 30*time.Minute) {
		t.Errorf("hold %s, decision %+v", h.HoldUntil, d)
	}
}

func TestProbeThatIsRefusedForItsPayloadEndsTheHold(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	during, _ := delivery.Decide(p, w, attempt(1, 0.5, 2, failed(delivery.ReasonClientError)))
	if !during.OnHold() {
		t.Error("an attempt from before the hold ended it")
	}
	after, _ := delivery.Decide(p, w, attempt(1, 20, 21, failed(delivery.ReasonClientError)))
	if after.OnHold() || after.FailureCount != 2 {
		t.Errorf("health after the probe is %+v", after)
	}
}

func TestTestChangesNothingButEndsAHold(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	bad := attempt(1, 2, 3, failed(delivery.ReasonTimeout))
	bad.Test = true
	if h, d := delivery.Decide(p, w, bad); h.FailureCount != 1 || !h.HoldUntil.Equal(w.Health.HoldUntil) || d.Status != delivery.StatusFailed {
		t.Errorf("a failed test: %+v, %+v", h, d)
	}
	good := attempt(1, 2, 3, succeeded())
	good.Test = true
	if h, d := delivery.Decide(p, w, good); h.OnHold() || h.FailureCount != 1 || !h.LastSentAt.IsZero() || d.Status != delivery.StatusDelivered {
		t.Errorf("a good test: %+v, %+v", h, d)
	}
}

func TestNotSendingChangesNoHealth(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	for result, want := range map[delivery.Result]delivery.Decision{
		delivery.Skipped:  {Action: delivery.Done, Status: delivery.StatusSkipped},
		delivery.Deferred: {Action: delivery.Wait, Status: delivery.StatusHeld, At: w.Health.HoldUntil},
	} {
		h, d := delivery.Decide(p, w, attempt(0, 2, 2, delivery.Outcome{Result: result}))
		if h.FailureCount != w.Health.FailureCount || !h.HoldUntil.Equal(w.Health.HoldUntil) || d != want {
			t.Errorf("%s: %+v, %+v, want %+v", result, h, d, want)
		}
	}
}

func TestDecideDoesNotTouchItsInput(t *testing.T) {
	t.Parallel()
	w, p := active(), delivery.DefaultPolicy()
	w.Health, _ = delivery.Decide(p, w, attempt(1, 0, 1, failed(delivery.ReasonTimeout)))
	one, _ := delivery.Decide(p, w, attempt(1, 100, 101, failed(delivery.ReasonTimeout)))
	two, _ := delivery.Decide(p, w, attempt(1, 200, 201, failed(delivery.ReasonTimeout)))
	if !one.Outages[1].Start.Equal(at(100)) || !two.Outages[1].Start.Equal(at(200)) {
		t.Error("two decisions from the same health share their outages")
	}
}

func TestDeliveryIDIsTheSameForTheSamePair(t *testing.T) {
	t.Parallel()
	a, b := delivery.ID("wh_1", "evt_1"), delivery.ID("wh_1", "evt_1")
	if a != b {
		t.Errorf("%s and %s", a, b)
	}
	seen := map[string]bool{a: true}
	for _, pair := range [][2]string{{"wh_1", "evt_2"}, {"wh_2", "evt_1"}, {"wh_1e", "vt_1"}} {
		id := delivery.ID(pair[0], pair[1])
		if seen[id] {
			t.Errorf("%v has another pair's id", pair)
		}
		seen[id] = true
	}
}

// Retries, and the log of before, name a delivery by what was computed then.
func TestDeliveryIDIsForEver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ webhookID, eventID, want string }{
		{"", "", "dlv_ny2axhh7wn5jrhffittlw6akfq"},
		{"wh_1", "evt_1", "dlv_gwvuavkxablq6olhrxost3dss4"},
		{"wh_01jd9v7q6w3k8m5n2p4r6t8v0x", "evt_01jd9v7q6w3k8m5n2p4r6t8v0y", "dlv_vrfdckz5wdjxakq6ekvzkuxqwu"},
		{"wh_\x00", "evt_é", "dlv_vdfxb7hemp6ybgivcr57bwedoy"},
		{strings.Repeat("w", 100), strings.Repeat("e", 100), "dlv_amtdcna3p3glh6eewmzwdlxywi"},
	} {
		if got := delivery.ID(c.webhookID, c.eventID); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.webhookID, c.eventID, got, c.want)
		}
	}
}
