package sink

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

func post(t *testing.T, s *Sink, path, id string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
	r.Header.Set("webhook-id", id)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s := New()
	s.Expect(Plan{Slots: 6, Stride: 3, Times: true, Mark: 2})
	for _, r := range []struct{ path, id string }{
		{"/ok/0", specimen.ID("r", 0)},
		{"/ok/2", specimen.ID("r", 1)},
		{"/ok/2", specimen.ID("r", 1)}, // again
		{"/ok/3", specimen.ID("r", 0)}, // no such webhook
		{"/ok/0", specimen.ID("r", 2)}, // no such event
		{"/ok/x", specimen.ID("r", 0)},
		{"/ok/0", "evt_foreign"},
		{"/quiet", specimen.ID("r", 0)},
		{"/slow/1ns", ""},
	} {
		if status := post(t, s, r.path, r.id); status != http.StatusOK {
			t.Errorf("%s: %d", r.path, status)
		}
	}
	got := s.Counts()
	if got.First == 0 || got.Last < got.First {
		t.Errorf("%+v", got)
	}
	got.First, got.Last = 0, 0
	if want := (Counts{Arrived: 2, Duplicates: 1, Unexpected: 4, Unrecorded: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b := s.book.Load()
	times := values(b.times)
	if times[0] == 0 || times[5] == 0 || times[1] != 0 {
		t.Errorf("times %v", times)
	}
	if marks := values(b.marks); len(marks) != 3 || marks[0] == 0 || marks[1] != 0 {
		t.Errorf("marks %v", marks)
	}
	select {
	case <-b.full:
		t.Error("full after 2 of 6")
	default:
	}
	s.Expect(Plan{})
	if got := s.Counts(); got != (Counts{}) {
		t.Errorf("not forgotten: %+v", got)
	}
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	if flapping(time.Unix(10, 999)) != http.StatusOK || flapping(time.Unix(11, 0)) != http.StatusInternalServerError {
		t.Error("flapping")
	}
	if status := post(t, New(), "/slow/soon", ""); status != http.StatusBadRequest {
		t.Errorf("slow without a duration: %d", status)
	}
}

func TestHostsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for n := range 1000 {
		seen[loopback(n)] = true
	}
	if len(seen) != 1000 || loopback(0) != "127.77.0.1" || loopback(999) != "127.77.3.250" {
		t.Error(len(seen), loopback(0), loopback(999))
	}
}
