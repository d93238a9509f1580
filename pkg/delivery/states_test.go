package delivery_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
)

const page = "../../docs/delivery-states.md"

// outside is where a state diagram begins and ends.
const outside = "[*]"

// arrow is a change of state.
type arrow struct{ from, to string }

// diagrams returns the arrows of the page's state diagrams, in order.
func diagrams(t *testing.T) []map[arrow]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[arrow]bool
	for i, block := range strings.Split(string(text), "```mermaid\nstateDiagram-v2\n") {
		if i == 0 {
			continue
		}
		diagram, _, closed := strings.Cut(block, "```")
		if !closed {
			t.Fatalf("diagram %d of %s does not end", i, page)
		}
		all = append(all, arrows(t, diagram))
	}
	return all
}

func arrows(t *testing.T, diagram string) map[arrow]bool {
	t.Helper()
	found := make(map[arrow]bool)
	for line := range strings.Lines(diagram) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "state ") {
			continue
		}
		line, _, _ = strings.Cut(line, " : ")
		from, to, ok := strings.Cut(line, " --> ")
		a := arrow{strings.TrimSpace(from), strings.TrimSpace(to)}
		if !ok || found[a] {
			t.Fatalf("%q is no arrow, or drawn twice", line)
		}
		found[a] = true
	}
	return found
}

// walk collects the arrows that the code took.
type walk map[arrow]bool

func (w walk) step(from, to string) {
	if from != to {
		w[arrow{from, to}] = true
	}
}

func (w walk) compare(t *testing.T, drawn map[arrow]bool) {
	t.Helper()
	for a := range w {
		if !drawn[a] {
			t.Errorf("the code goes from %s to %s, and %s does not show it", a.from, a.to, page)
		}
	}
	for a := range drawn {
		if !w[a] {
			t.Errorf("%s shows an arrow from %s to %s that nothing took", page, a.from, a.to)
		}
	}
}

func TestTheStatesOnThePageAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	drawn := diagrams(t)
	if len(drawn) != 2 {
		t.Fatalf("%d state diagrams in %s, want a delivery's and a webhook's", len(drawn), page)
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same walk every time
	deliveries, webhooks := make(walk), make(walk)
	for range 20_000 {
		life(random, deliveries, webhooks)
	}
	deliveries.compare(t, drawn[0])
	webhooks.compare(t, drawn[1])
}

// life walks one webhook and one delivery of it through random events.
func life(random *rand.Rand, deliveries, webhooks walk) {
	p := delivery.Policy{Schedule: []time.Duration{10 * time.Second, 20 * time.Second}, AutoDisableAfter: 3}
	l := &walker{random: random, policy: p, deliveries: deliveries, webhooks: webhooks, state: "waiting"}
	l.w = active()
	l.w.Provider = pick(random, webhook.Custom, webhook.Zapier)
	l.w.Event = pick(random, webhook.SendCallLogs, webhook.SendCallLogs, webhook.SendCallLogs, webhook.Disabled)
	webhooks.step(outside, l.webhookState())
	deliveries.step(outside, l.state)
	for range 12 {
		before := l.webhookState()
		l.event()
		if l.removed {
			webhooks.step(before, outside)
			return
		}
		webhooks.step(before, l.webhookState())
	}
}

type walker struct {
	random               *rand.Rand
	policy               delivery.Policy
	deliveries, webhooks walk

	w       webhook.Webhook
	removed bool
	seconds float64 // now
	state   string  // of the delivery
	number  int     // of its attempts
	earlier int     // of them, when it was last asked for
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func (l *walker) webhookState() string {
	switch h := l.w.Health; {
	case l.w.Status() == webhook.StatusDisabled:
		return "disabled"
	case l.w.Status() == webhook.StatusAutoDisabled:
		return "auto_disabled"
	case h.OnHold() && at(l.seconds).Before(h.HoldUntil):
		return "on_hold"
	case h.OnHold():
		return "probing"
	default:
		return "active"
	}
}

// event makes one thing happen to the webhook.
func (l *walker) event() {
	switch l.random.IntN(12) {
	case 0: // time passes, and nothing else: by itself it ends a hold
		l.seconds += pick(l.random, 1.0, 30)
	case 1:
		if l.w.Status() == webhook.StatusAutoDisabled { // else Enable is refused or changes nothing
			l.w.Health = l.w.Health.Enable(at(l.seconds))
		}
	case 2:
		l.w.Health = l.w.Health.EndHold()
	case 3:
		l.w.Event = pick(l.random, webhook.SendCallLogs, webhook.Disabled)
	case 4:
		l.removed = l.random.IntN(4) == 0
	case 5: // another delivery's attempt, or a test, that began long or not long ago
		a := l.attempt(pick(l.random, 0.5, 15))
		a.Number, a.Test = 1, l.random.IntN(3) == 0
		l.decide(a)
	default:
		l.deliver()
	}
}

// deliver does the next thing to the delivery.
func (l *walker) deliver() {
	switch {
	case slices.Contains([]string{"delivered", "failed", "skipped"}, l.state):
		if l.random.IntN(2) == 0 {
			l.earlier = l.number
			l.decline(delivery.Deferred) // asked for again
			return
		}
		l.enter(outside)
		l.enter("waiting") // the next one
		l.number, l.earlier = 0, 0
	case l.random.IntN(3) > 0:
		l.enter("attempting")
		l.number++
		a := l.attempt(0.5)
		a.Number, a.PriorAttempts = l.number, l.earlier
		l.enter(string(l.decide(a).Status))
	default:
		l.decline(pick(l.random, delivery.Deferred, delivery.Skipped))
	}
}

func (l *walker) decline(result delivery.Result) {
	l.enter(string(l.decide(delivery.Attempt{Outcome: delivery.Outcome{Result: result}}).Status))
}

func (l *walker) enter(state string) {
	l.deliveries.step(l.state, state)
	l.state = state
}

// attempt returns an attempt that took so many seconds and ends now.
func (l *walker) attempt(took float64) delivery.Attempt {
	o := succeeded()
	if l.random.IntN(3) > 0 {
		o = failed(pick(l.random, delivery.ReasonTimeout, delivery.ReasonServerError, delivery.ReasonClientError,
			delivery.ReasonRedirect, delivery.ReasonGone, delivery.ReasonInternal, delivery.ReasonConnect))
		o.RetryAfter = pick(l.random, 0, 0, time.Minute)
	}
	l.seconds += 0.6
	a := attempt(1, l.seconds-took, l.seconds, o)
	a.ID = fmt.Sprint("att_", l.random.IntN(1000))
	return a
}

func (l *walker) decide(a delivery.Attempt) delivery.Decision {
	var d delivery.Decision
	l.w.Health, d = delivery.Decide(l.policy, l.w, a)
	l.removed = d.Action == delivery.Remove
	return d
}
