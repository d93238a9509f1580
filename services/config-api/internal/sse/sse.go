// Package sse writes server-sent events, the event stream of the HTML standard:
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
package sse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// Beat is how often an idle stream sends a comment: before proxies cut the
	// connection, and so that the server notices a reader that has vanished.
	Beat = 15 * time.Second

	// WriteTimeout bounds one write: a reader that has vanished, or does not read,
	// holds its place for no longer.
	WriteTimeout = 10 * time.Second

	// Readers reconnect after retryFrom to twice retryFrom, so that those of a
	// server that restarts do not all return at once.
	retryFrom = 2 * time.Second
)

// SetHeader sets the header of a response that is an event stream.
func SetHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
}

// Event is one event of a stream.
type Event struct {
	ID   string // what a reader sends as Last-Event-ID when it reconnects; "" for none
	Name string
	Data []byte
}

// Writer writes events until a write fails, and nothing after that. Its methods
// are not safe for concurrent use.
type Writer struct {
	w       io.Writer
	control *http.ResponseController
	err     error
}

// NewWriter returns a writer for a response whose header was sent, and writes when
// the reader is to reconnect. control is the response's: the server bounds the
// reading of a request, which a stream outlives.
func NewWriter(w io.Writer, control *http.ResponseController) *Writer {
	s := &Writer{w: w, control: control}
	retry := retryFrom + rand.N(retryFrom) //nolint:gosec // spreading load is no secret
	s.write(fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds()))
	s.flush()
	// Only now: before it begins to answer, net/http reads the body that a request may
	// have, for as long as the server lets it.
	_ = control.SetReadDeadline(time.Time{}) // not every response can
	return s
}

// Write writes an event. Line breaks in its data become those of the format. A
// browser passes over an event without data.
func (s *Writer) Write(e Event) {
	var b bytes.Buffer
	if e.ID != "" {
		b.WriteString("id: " + e.ID + "\n")
	}
	b.WriteString("event: " + e.Name + "\n")
	data := bytes.ReplaceAll(bytes.ReplaceAll(e.Data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	s.write(b.Bytes())
}

// WriteJSON writes an event whose data is v as JSON.
func (s *Writer) WriteJSON(name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		s.err = fmt.Errorf("write event %s: %w", name, err)
		return
	}
	s.Write(Event{Name: name, Data: data})
}

// Serve sends what was written, and calls write for each value of events, which
// writes to s, until a write fails, ctx ends, or events is closed, which it
// reports. An idle stream sends a comment each Beat. mayGoOn is asked each Beat,
// idle or not, whether the stream may go on; nil always allows it.
func Serve[T any](ctx context.Context, s *Writer, events <-chan T, mayGoOn func() bool, write func(T)) (closed bool) {
	beat, check := time.NewTicker(Beat), time.NewTicker(Beat)
	defer beat.Stop()
	defer check.Stop()
	defer s.extend() // the server ends the response after this, and the last write may be long ago
	s.flush()
	for s.err == nil {
		select {
		case e, more := <-events:
			if !more {
				return true
			}
			write(e)
			if len(events) == 0 {
				s.flush()
			}
			beat.Reset(Beat)
		case <-beat.C:
			s.write([]byte(":\n\n"))
			s.flush()
		case <-check.C:
			if mayGoOn != nil && !mayGoOn() {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func (s *Writer) write(text []byte) {
	if s.err == nil {
		s.extend()
		_, s.err = s.w.Write(text)
	}
}

func (s *Writer) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

// extend gives the next write its time.
func (s *Writer) extend() {
	_ = s.control.SetWriteDeadline(time.Now().Add(WriteTimeout)) // not every response can
}
