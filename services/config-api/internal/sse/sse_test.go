package sse_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/services/config-api/internal/sse"
)

// newWriter returns a writer into a recorder, and what it wrote after the line
// that says when to reconnect.
func newWriter(t *testing.T) (w *sse.Writer, written func() string) {
	t.Helper()
	r := httptest.NewRecorder()
	w = sse.NewWriter(r, http.NewResponseController(r))
	return w, func() string {
		retry, events, _ := strings.Cut(r.Body.String(), "\n\n")
		if !strings.HasPrefix(retry, "retry: ") {
			t.Errorf("the stream begins with %q", retry)
		}
		return events
	}
}

func TestEventsAreWrittenInTheFormat(t *testing.T) {
	t.Parallel()
	for want, write := range map[string]func(*sse.Writer){
		"event: a\ndata: {}\n\n":                 func(w *sse.Writer) { w.Write(sse.Event{Name: "a", Data: []byte("{}")}) },
		"id: 7\nevent: a\ndata: x\n\n":           func(w *sse.Writer) { w.Write(sse.Event{ID: "7", Name: "a", Data: []byte("x")}) },
		"event: a\ndata: 1\ndata: 2\n\n":         func(w *sse.Writer) { w.Write(sse.Event{Name: "a", Data: []byte("1\n2\n")}) },
		"event: a\ndata: 1\ndata: \ndata: 2\n\n": func(w *sse.Writer) { w.Write(sse.Event{Name: "a", Data: []byte("1\r\n\r2")}) },
		"event: a\n\n":                           func(w *sse.Writer) { w.Write(sse.Event{Name: "a"}) },
		"event: a\ndata: {\"n\":1}\n\n":          func(w *sse.Writer) { w.WriteJSON("a", map[string]int{"n": 1}) },
		"":                                       func(w *sse.Writer) { w.WriteJSON("a", func() {}); w.Write(sse.Event{Name: "b"}) },
	} {
		w, written := newWriter(t)
		write(w)
		if got := written(); got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
}

func TestAClosedSourceEndsTheStream(t *testing.T) {
	t.Parallel()
	w, written := newWriter(t)
	events := make(chan string, 2)
	events <- "a"
	events <- "b"
	close(events)
	if !sse.Serve(t.Context(), w, events, nil, func(name string) { w.Write(sse.Event{Name: name}) }) {
		t.Error("it is not reported as closed")
	}
	if got := written(); got != "event: a\n\nevent: b\n\n" {
		t.Errorf("wrote %q", got)
	}
}

// chatter returns events that come four times each Beat, until ctx ends.
func chatter(ctx context.Context) <-chan string {
	events := make(chan string)
	go func() {
		every := time.NewTicker(sse.Beat / 4)
		defer every.Stop()
		for {
			select {
			case <-every.C:
			case <-ctx.Done():
				return
			}
			select {
			case events <- "a":
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

func TestAStreamEndsOnceItMayNotGoOn(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]func(context.Context) <-chan string{
		"idle": func(context.Context) <-chan string { return nil },
		"busy": chatter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, written := newWriter(t)
				began, asked := time.Now(), 0
				mayGoOn := func() bool { asked++; return asked < 3 }
				closed := sse.Serve(t.Context(), w, source(t.Context()), mayGoOn, func(name string) { w.Write(sse.Event{Name: name}) })
				if took := time.Since(began); closed || took != 3*sse.Beat {
					t.Errorf("ended after %s, closed %t", took, closed)
				}
				if beats := strings.Contains(written(), ":\n\n:"); beats != (name == "idle") {
					t.Errorf("wrote %q", written())
				}
			})
		})
	}
}

// broken is a response whose reader has vanished.
type broken struct{ http.ResponseWriter }

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAFailedWriteEndsTheStream(t *testing.T) {
	t.Parallel()
	r := broken{httptest.NewRecorder()}
	w := sse.NewWriter(r, http.NewResponseController(r))
	if sse.Serve(t.Context(), w, make(chan string), nil, func(string) {}) {
		t.Error("it is reported as closed")
	}
}
