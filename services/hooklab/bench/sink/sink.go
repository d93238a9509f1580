// Package sink is the receiver of a benchmark, in a process of its own: as lean
// as net/http allows, and the same for the system and for the bare loop that
// the system is compared with.
//
// The first word of a path says how it answers, what follows is its argument:
//
//	/ok/<n>      200; recorded as the delivery of its event to its nth webhook
//	/quiet       200, not recorded
//	/hang        never answers
//	/slow/<d>    200 after a duration
//	/flap        200 in even seconds, 500 in odd ones
//	/down/<ms>   500 until a time in Unix milliseconds, 200 from then on
//	/stall/<ms>  no answer until a time in Unix milliseconds, 200 from then on
package sink

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

// Sink answers requests and records what came. It is an http.Handler.
type Sink struct{ book atomic.Pointer[book] }

// New returns a sink that expects nothing yet.
func New() *Sink {
	s := &Sink{}
	s.Expect(Plan{})
	return s
}

// Expect forgets what came and begins to record for a plan.
func (s *Sink) Expect(p Plan) { s.book.Store(newBook(p)) }

// Counts returns what came since Expect.
func (s *Sink) Counts() Counts { return s.book.Load().counts() }

// ServeHTTP answers as the path says.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	b := s.book.Load()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	word, argument, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if word == "ok" {
		b.fill(slot(r, argument, at))
		answer(w, http.StatusOK)
		return
	}
	b.unrecorded.Add(1)
	switch word {
	case "hang":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "slow":
		slow(w, r, argument)
	case "flap":
		answer(w, flapping(at))
	case "down":
		answer(w, down(argument, at))
	case "stall":
		stall(w, r, argument, at)
	default:
		answer(w, http.StatusOK)
	}
}

// slot returns the event and the number of the webhook that a request is for,
// negative ones when it is for none.
func slot(r *http.Request, argument string, at time.Time) (event, nth int, _ time.Time) {
	ids := r.Header["Webhook-Id"]
	nth, err := strconv.Atoi(argument)
	if len(ids) != 1 || err != nil {
		return -1, -1, at
	}
	event, ok := specimen.Index(ids[0])
	if !ok {
		return -1, -1, at
	}
	return event, nth, at
}

func slow(w http.ResponseWriter, r *http.Request, argument string) {
	d, err := time.ParseDuration(argument)
	if err != nil {
		answer(w, http.StatusBadRequest)
		return
	}
	answerAfter(w, r, d)
}

func stall(w http.ResponseWriter, r *http.Request, until string, at time.Time) {
	ms, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		answer(w, http.StatusBadRequest)
		return
	}
	answerAfter(w, r, time.UnixMilli(ms).Sub(at))
}

// answerAfter answers 200 after a duration, at once if it is negative.
func answerAfter(w http.ResponseWriter, r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		answer(w, http.StatusOK)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func flapping(at time.Time) int {
	if at.Unix()%2 == 1 {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

func down(until string, at time.Time) int {
	ms, err := strconv.ParseInt(until, 10, 64)
	switch {
	case err != nil:
		return http.StatusBadRequest
	case at.UnixMilli() < ms:
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// answer writes what most receivers of webhooks answer: a few bytes of JSON.
func answer(w http.ResponseWriter, status int) {
	header := w.Header()
	header["Content-Type"] = []string{"application/json"}
	header["Content-Length"] = []string{"11"}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"ok":true}`) // or the client has gone
}
