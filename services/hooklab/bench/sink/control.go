package sink

import (
	"encoding/json"
	"net/http"
	"time"
)

// The paths of the control API.
const (
	pathExpect = "/expect" // POST a Plan
	pathCounts = "/counts" // GET Counts; with ?wait=<d> when all has arrived, or after d
	pathTimes  = "/times"  // GET when each slot was filled, 0 for not
	pathMarks  = "/marks"  // GET when each Mark-th slot was filled
)

// control returns the control API.
func (s *Sink) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathExpect, func(w http.ResponseWriter, r *http.Request) {
		var p Plan
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Expect(p)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET "+pathCounts, func(w http.ResponseWriter, r *http.Request) {
		b := s.book.Load()
		if d, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
			b.wait(r, d)
		}
		reply(w, b.counts())
	})
	mux.HandleFunc("GET "+pathTimes, func(w http.ResponseWriter, _ *http.Request) { reply(w, values(s.book.Load().times)) })
	mux.HandleFunc("GET "+pathMarks, func(w http.ResponseWriter, _ *http.Request) { reply(w, values(s.book.Load().marks)) })
	return mux
}

// wait returns when every slot is filled, and after d at the latest.
func (b *book) wait(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-b.full:
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // or the client has gone
}
