package app_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/services/config-api/internal/eventfeed"
)

// Follow gives what was published, and what is, every event with its place from
// 1 on.
func (q *queue) Follow(ctx context.Context, organizationID string, t event.Type, after uint64, handle func(*stream.Message) error) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		q.mu.Lock()
		away, all := q.away, q.published
		q.mu.Unlock()
		for ; away == nil && after < uint64(len(all)); after++ {
			if e := all[after]; e.OrganizationID == organizationID && (t == "" || e.Type == t) {
				if err := handle(messageOf(e, after+1)); err != nil {
					return err
				}
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
		if away != nil {
			return away
		}
	}
}

// followed is one event of a stream that is followed.
type followed struct{ id, name, data string }

// follow opens a stream of events and returns what reads its next one, which is
// false at its end.
func (s *system) follow(t *testing.T, query, after string) (next func() (followed, bool), leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+events+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answered %d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (e followed, more bool) {
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					return e, true
				}
			}
		}
		return e, false
	}, cancel
}

func (s *system) publishNote(t *testing.T, org, id string) {
	t.Helper()
	body := event.Sample(event.NoteCreated, org, id, time.Now()).Body()
	s.do(t, call{method: http.MethodPost, path: "/v1/organizations/" + org + "/events", body: string(body)}).want(t, http.StatusAccepted)
}

// place returns a place in an organization's stream as callers get it.
func (s *system) place(t *testing.T, org string, sequence uint64) string {
	t.Helper()
	text, err := eventfeed.Places{Box: s.box}.Text(org, sequence)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantPlace fails the test unless a text stands for a place of acme's.
func (s *system) wantPlace(t *testing.T, text string, want uint64) {
	t.Helper()
	if got, err := (eventfeed.Places{Box: s.box}).Sequence("acme", text); err != nil || got != want {
		t.Errorf("the place is %d, %v; want %d", got, err, want)
	}
}

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publishNote(t, "acme", "evt_old") // 1, before any subscription; the fake's next sequence is 1 all the same
	next, _ := s.follow(t, "", s.place(t, "acme", 1))
	e, _ := next()
	s.wantPlace(t, e.id, 0) // the stream has not reached the place: it was deleted and made again
	if e.name != "begun" || e.data != "{}" {
		t.Errorf("it begins with %+v", e)
	}
	want := func(next func() (followed, bool), id string, place uint64) {
		t.Helper()
		e, more := next()
		read, err := event.ParseJSON([]byte(e.data))
		s.wantPlace(t, e.id, place)
		if !more || e.name != "event" || err != nil || read.ID != id || string(read.Body()) != e.data {
			t.Errorf("got %+v, %t, want %s", e, more, id)
		}
	}
	want(next, "evt_old", 1)
	s.publishNote(t, "globex", "evt_other")
	s.publishNote(t, "acme", "evt_new")
	want(next, "evt_new", 3)

	calls, _ := s.follow(t, "?type=call.completed", s.place(t, "acme", 0))
	_, _ = calls()
	sample := event.Sample(event.CallCompleted, "acme", "evt_call", time.Now())
	s.do(t, call{method: http.MethodPost, path: events, body: string(sample.Body())}).want(t, http.StatusAccepted)
	want(calls, "evt_call", 4)

	// A source that fails ends the stream; its reader comes again.
	s.queue.set(nil, errors.New("away"))
	for more := true; more; {
		_, more = calls()
	}
}

func TestWhatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.do(t, call{path: events + "?type=disabled"}).problem(t, http.StatusBadRequest)
	for _, place := range []string{"x", "1", s.place(t, "globex", 1), s.place(t, "acme", 1) + "A", strings.ToUpper(s.place(t, "acme", 1))} {
		s.do(t, call{path: events, header: map[string]string{"Last-Event-ID": place}}).problem(t, http.StatusBadRequest)
	}
	s.do(t, call{path: events, token: "-"}).problem(t, http.StatusUnauthorized)
	s.do(t, call{method: http.MethodHead, path: events}).want(t, http.StatusOK)
	leave := func() {}
	for range eventfeed.PerOrganization {
		next, end := s.follow(t, "", "")
		_, _ = next()
		leave = end
	}
	p := s.do(t, call{path: events}).problem(t, http.StatusTooManyRequests)
	if p.Type != "urn:dialnote:problem:too-many-streams" {
		t.Errorf("%+v", p)
	}
	leave()
	for deadline := time.After(2 * time.Minute); ; {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+events, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the place of one who left is not free")
		default:
		}
	}
}
