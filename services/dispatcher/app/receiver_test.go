package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// hit is one request as a receiver saw it.
type hit struct {
	eventID string
	path    string
	begin   time.Time
	end     time.Time // zero while it is being answered
}

// receiver is a customer's endpoint that answers as its script says.
type receiver struct {
	url string

	mu     sync.Mutex
	hits   []hit
	now    int // requests being answered
	most   int // at once, at most
	script http.HandlerFunc
}

// newReceiver returns a receiver that answers with script; nil is 204.
func newReceiver(t *testing.T, script http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.answer(script)
	srv := httptest.NewServer(r)
	t.Cleanup(func() {
		srv.CloseClientConnections() // which ends the requests that hang
		srv.Close()
	})
	r.url = srv.URL
	return r
}

// answer changes how it answers from now on.
func (r *receiver) answer(script http.HandlerFunc) {
	if script == nil {
		script = status(http.StatusNoContent)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = script
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	i, script := len(r.hits), r.script
	r.hits = append(r.hits, hit{eventID: req.Header.Get("webhook-id"), path: req.URL.Path, begin: time.Now()})
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hits[i].end = time.Now()
		r.now--
	}()
	script(w, req)
}

// all returns the requests so far, in order of arrival.
func (r *receiver) all() []hit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hit(nil), r.hits...)
}

// inFlight returns how many requests it is answering.
func (r *receiver) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// atOnce returns how many requests it was answering at once, at most.
func (r *receiver) atOnce() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// of returns the requests of one event, in order of arrival.
func (r *receiver) of(eventID string) []hit {
	return slices.DeleteFunc(r.all(), func(h hit) bool { return h.eventID != eventID })
}

// ids returns the events of the requests so far, in order of arrival.
func (r *receiver) ids() []string {
	var ids []string
	for _, h := range r.all() {
		ids = append(ids, h.eventID)
	}
	return ids
}

// counts returns how often each event came.
func (r *receiver) counts() map[string]int {
	counts := make(map[string]int)
	for _, id := range r.ids() {
		counts[id]++
	}
	return counts
}

// status answers with a status.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// first answers the first n requests with script and all others with 204.
func first(n int, script http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n--
		bad := n >= 0
		mu.Unlock()
		if bad {
			script(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// refuse answers 400 to one event, and 204 to all others.
func refuse(eventID string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-id") == eventID {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// die closes the connection without an answer.
func die(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// hang never answers; it ends with the request.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
