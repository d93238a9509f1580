package repeat_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/dispatcher/internal/repeat"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// world is the stream, the other replicas and the clock of a Finder.
type world struct {
	now      time.Time
	heard    time.Time // zero when the replica does not hear the others
	messages map[uint64]*stream.Message
	broken   bool
	taken    []stream.Taken
	counted  map[repeat.Contradiction]int
	logged   strings.Builder
	finder   *repeat.Finder
}

func newWorld() *world {
	w := &world{now: start, heard: start, messages: make(map[uint64]*stream.Message), counted: make(map[repeat.Contradiction]int)}
	w.finder = &repeat.Finder{
		Fleet: w, Events: w, Observer: w, Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.logged, nil)),
	}
	return w
}

func (w *world) Take(taken stream.Taken)             { w.taken = append(w.taken, taken) }
func (w *world) HeardSince() (time.Time, bool)       { return w.heard, !w.heard.IsZero() }
func (w *world) Contradicted(c repeat.Contradiction) { w.counted[c]++ }

func (w *world) Event(_ context.Context, sequence uint64) (*stream.Message, error) {
	if w.broken {
		return nil, fault.New(fault.Unavailable, "broker-unavailable", "Away.")
	}
	if m, ok := w.messages[sequence]; ok {
		return m, nil
	}
	return nil, fault.New(fault.NotFound, "event-expired", "Too old.")
}

// stores stores an event in the stream, under a Nats-Msg-Id.
func (w *world) stores(e event.Event, messageID string) *stream.Message {
	m := &stream.Message{
		Subject: proto.SubjectEvent(e.OrganizationID, string(e.Type)), ContentType: proto.ContentTypeJSON,
		MessageID: messageID, Data: e.Body(), Sequence: uint64(len(w.messages) + 1),
	}
	w.messages[m.Sequence] = m
	return m
}

func (w *world) finds(t *testing.T, want repeat.Finding, e event.Event, messageID string) {
	t.Helper()
	got, err := w.finder.Find(t.Context(), e, w.stores(e, messageID))
	if err != nil || got != want {
		t.Errorf("%s of %s under %q: %d, %v; want %d", e.ID, e.OrganizationID, messageID, got, err, want)
	}
}

func call(organizationID, id string) event.Event {
	return event.Sample(event.CallCompleted, organizationID, id, start)
}

// Whatever the Nats-Msg-Id of the messages, one organization's event is the same
// by its id, and no other organization's.
func TestAnEventIsTheSameByOrganizationAndID(t *testing.T) {
	t.Parallel()
	for _, messageID := range []string{"", "evt_1", "acme:evt_1", "evil:evt_1", "anything"} {
		w := newWorld()
		w.finds(t, repeat.Unknown, call("evil", "evt_1"), "acme:evt_1")
		w.finds(t, repeat.Unknown, call("acme", "evt_1"), messageID)
		w.finds(t, repeat.Repeated, call("acme", "evt_1"), messageID)
		w.finds(t, repeat.Repeated, call("acme", "evt_1"), "")
		w.finds(t, repeat.Unknown, call("acme", "evt_2"), messageID)
		w.finds(t, repeat.Repeated, call("evil", "evt_1"), "")
	}
}

// A message that comes again itself is not another message of the event.
func TestAMessageThatComesAgainIsNoRepetition(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := call("acme", "evt_1")
	m := w.stores(e, "")
	for range 3 {
		if got, err := w.finder.Find(t.Context(), e, m); err != nil || got != repeat.Unknown {
			t.Errorf("%d, %v", got, err)
		}
	}
}

// An id proves its event new only if it was made when everything taken was, and
// is, remembered; whatever is older must be asked for in the log.
func TestWhatAnIDProves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ages time.Duration // of the id
		runs time.Duration // for how long the replica has heard the others
		want repeat.Finding
	}{
		{"made just now", 0, time.Minute, repeat.New},
		{"by a clock that is a little fast", -5 * time.Second, time.Minute, repeat.New},
		{"by a clock that is wrong", -5*time.Second - time.Millisecond, time.Minute, repeat.Unknown},
		{"while the replica ran", 55 * time.Second, time.Minute, repeat.New},
		{"when the replica started", 55*time.Second + time.Millisecond, time.Minute, repeat.Unknown},
		{"11 minutes ago", 11 * time.Minute, 8 * 24 * time.Hour, repeat.Unknown},
		{"6 days ago", 6 * 24 * time.Hour, 8 * 24 * time.Hour, repeat.Unknown},
	} {
		w := newWorld()
		for at := start.Add(-min(c.runs, time.Hour)); at.Before(start); at = at.Add(time.Minute) {
			w.now = at
			w.finds(t, repeat.Unknown, call("acme", fmt.Sprint("evt_", at.Unix())), "")
		}
		w.now, w.heard = start, start.Add(-c.runs)
		w.finds(t, c.want, call("acme", event.NewID(start.Add(-c.ages))), "")
	}
	w := newWorld()
	w.heard = time.Time{}
	w.finds(t, repeat.Unknown, call("acme", event.NewID(start.Add(time.Second))), "")
}

// However long ago the first message was: it is found here, or the finding is that
// the log must be asked, and never that the event is new.
func TestARepetitionIsNeverTakenForNew(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 11 * time.Minute, time.Hour, 6 * 24 * time.Hour} {
		w := newWorld()
		w.now = start.Add(time.Minute)
		e := call("acme", event.NewID(w.now))
		w.finds(t, repeat.New, e, "acme:"+e.ID)
		w.now = w.now.Add(after)
		m := w.stores(e, "")
		got, err := w.finder.Find(t.Context(), e, m)
		if err != nil || got == repeat.New {
			t.Errorf("after %s: %d, %v", after, got, err)
		}
		if after <= time.Minute && got != repeat.Repeated {
			t.Errorf("after %s it is not remembered", after)
		}
	}
}

// Many events make older ones be forgotten, and then ids made before prove nothing.
func TestWhatIsForgottenIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.now = start.Add(time.Minute)
	first := call("acme", event.NewID(w.now))
	w.finds(t, repeat.New, first, "")
	for i := range 300_000 {
		if i%100_000 == 0 {
			w.now = w.now.Add(20 * time.Second)
		}
		w.finder.TakenElsewhere([]stream.Taken{{Print: uint64(i), Sequence: 1 << 40}})
	}
	if n := w.finder.Remembered(); n > 2*(128<<10) {
		t.Errorf("%d events are remembered", n)
	}
	w.finds(t, repeat.Unknown, first, "")
	w.finds(t, repeat.New, call("acme", event.NewID(w.now)), "")
}

// What another replica works on is known here, and the other way round.
func TestReplicasKnowWhatOthersWorkOn(t *testing.T) {
	t.Parallel()
	one, two := newWorld(), newWorld()
	two.messages = one.messages
	e := call("acme", "evt_1")
	one.finds(t, repeat.Unknown, e, "")
	two.finder.TakenElsewhere(one.taken)
	two.finds(t, repeat.Repeated, e, "")
}

// Two events may have the same print, and a message may have gone meanwhile: the
// stream decides.
func TestTheStreamDecides(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := call("acme", "evt_1")
	w.finds(t, repeat.Unknown, e, "")
	print := w.taken[0].Print
	other := newWorld()
	other.stores(call("acme", "evt_other"), "")
	other.finder.TakenElsewhere([]stream.Taken{{Print: print, Sequence: 1}})
	other.finds(t, repeat.Unknown, e, "")
	gone := newWorld()
	gone.finder.TakenElsewhere([]stream.Taken{{Print: print, Sequence: 99}})
	gone.finds(t, repeat.Unknown, e, "")
	away := newWorld()
	away.finder.TakenElsewhere([]stream.Taken{{Print: print, Sequence: 99}})
	away.broken = true
	if _, err := away.finder.Find(t.Context(), e, away.stores(e, "")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the error is %v", err)
	}
}

// What contradicts is counted each time, and logged once a minute.
func TestContradictionsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := call("acme", "evt_1")
	for _, right := range []string{"", "evt_1", "acme:evt_1"} {
		w.finds(t, map[bool]repeat.Finding{true: repeat.Unknown, false: repeat.Repeated}[right == ""], e, right)
	}
	if len(w.counted) != 0 || w.logged.Len() != 0 {
		t.Fatalf("counted %v, logged %s", w.counted, w.logged.String())
	}
	for _, wrong := range []string{"evt_2", "evil:evt_1", "acme:evt_11", "x"} {
		w.finds(t, repeat.Repeated, e, wrong)
	}
	changed := event.Sample(event.NoteCreated, "acme", "evt_1", start)
	w.finds(t, repeat.Repeated, changed, "")
	if w.counted[repeat.OtherMessageID] != 4 || w.counted[repeat.OtherContent] != 1 {
		t.Errorf("counted %v", w.counted)
	}
	if n := strings.Count(w.logged.String(), "\n"); n != 1 {
		t.Errorf("%d lines at once: %s", n, w.logged.String())
	}
	w.now = w.now.Add(time.Minute)
	w.finds(t, repeat.Repeated, e, "x")
	if !strings.Contains(w.logged.String(), "more=4") {
		t.Errorf("a minute later: %s", w.logged.String())
	}
}
