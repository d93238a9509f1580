package traffic_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/traffic"
)

func events(t *testing.T, o traffic.Options, n int) []event.Event {
	t.Helper()
	g := traffic.New(o)
	made := make([]event.Event, 0, n)
	for range n {
		e, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, e)
	}
	return made
}

func bodies(events []event.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body()))
	}
	return all
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	t.Parallel()
	first := bodies(events(t, traffic.Options{Seed: 1, Organization: "acme"}, 50))
	if again := bodies(events(t, traffic.Options{Seed: 1, Organization: "acme"}, 50)); !slices.Equal(first, again) {
		t.Error("the same options gave other events")
	}
	for _, o := range []traffic.Options{{Seed: 2, Organization: "acme"}, {Seed: 1, Organization: "globex"}} {
		for i, e := range events(t, o, 50) {
			if strings.Contains(first[i], e.ID) {
				t.Errorf("%+v gave the same id %s", o, e.ID)
			}
		}
	}
}

var (
	fiction = regexp.MustCompile(`^(\+1[2-9]\d\d55501\d\d|\+442079460\d{3})$`)
	eventID = regexp.MustCompile(`^evt_[0-9a-hjkmnp-tv-z]{26}$`)
)

func TestEventsAreValidAndHaveFictitiousNumbers(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	var last string
	for _, e := range events(t, traffic.Options{Seed: 7, Organization: "acme", Start: start}, 3000) {
		// The publisher's own check, on the bytes that are published.
		if _, err := event.ParseJSON(e.Body()); err != nil {
			t.Fatalf("%s: %v", e.Body(), err)
		}
		if !eventID.MatchString(e.ID) || seen[e.ID] || e.ID[:14] < last {
			t.Errorf("id %q after %q: want a new one that sorts by time", e.ID, last)
		}
		seen[e.ID], last = true, e.ID[:14]
		var data struct{ PhoneNumber, From, To string }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{data.PhoneNumber, data.From, data.To} {
			if number != "" && !fiction.MatchString(number) {
				t.Errorf("phone number %s may belong to a person", number)
			}
		}
		if e.Timestamp.Before(start) {
			t.Errorf("%s happened at %s, before the start", e.ID, e.Timestamp)
		}
	}
}

func TestEventsLookReal(t *testing.T) {
	t.Parallel()
	all := events(t, traffic.Options{Seed: 3, Organization: "acme"}, 5000)
	kinds, statuses := map[event.Type]int{}, map[string]int{}
	var durations []int
	for _, e := range all {
		kinds[e.Type]++
		if e.Type != event.CallCompleted {
			continue
		}
		var data struct {
			Status   string
			Duration int
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		statuses[data.Status]++
		if data.Status == "completed" {
			durations = append(durations, data.Duration)
		}
		if data.Status == "busy" && data.Duration != 0 {
			t.Errorf("a busy line talked for %d s", data.Duration)
		}
	}
	for kind, want := range map[event.Type]int{event.CallCompleted: 3500, event.RecordingCompleted: 1000, event.NoteCreated: 500} {
		if got := kinds[kind]; got < want*8/10 || got > want*12/10 {
			t.Errorf("%d %s, want about %d", got, kind, want)
		}
	}
	if len(statuses) != 6 {
		t.Errorf("statuses %v, want all six", statuses)
	}
	slices.Sort(durations)
	if median := durations[len(durations)/2]; median < 90 || median > 130 {
		t.Errorf("median talk %d s, want about 110", median)
	}
	joined := strings.Join(bodies(all), "")
	for _, want := range []string{"🎉", "客户", "العميل", `\"`, "<SSO> & SCIM", "\u2028"} {
		if !strings.Contains(joined, want) {
			t.Errorf("no event holds %q", want)
		}
	}
}

func TestMix(t *testing.T) {
	t.Parallel()
	mix, err := traffic.ParseMix("note.created=3, call.completed=1")
	if err != nil || mix != (traffic.Mix{Calls: 1, Notes: 3}) {
		t.Fatalf("got %+v, %v", mix, err)
	}
	for _, e := range events(t, traffic.Options{Organization: "acme", Mix: mix}, 200) {
		if e.Type == event.RecordingCompleted {
			t.Fatal("made a recording, whose share is 0")
		}
	}
	for _, wrong := range []string{"", "call.completed", "call.completed=-1", "call.ended=1", "note.created=0", "note.created=x"} {
		if _, err := traffic.ParseMix(wrong); err == nil {
			t.Errorf("took %q", wrong)
		}
	}
}

func TestAnImpossibleOrganizationIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := traffic.New(traffic.Options{Organization: "no spaces"}).Next(); err == nil {
		t.Error("made an event for an impossible organization")
	}
}
