package receiver

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// Answer is what one request gets. It is decided before anything is sent, so
// that the record of the request can already hold its status.
type Answer struct {
	// Delay passes before the first byte of the answer.
	Delay time.Duration

	// Until, when set, is waited for before the first byte of the answer: a
	// channel that is never closed is a receiver that never answers.
	Until <-chan struct{}

	// Status is the status to send. 0 means that none is: the connection is
	// taken over or closed.
	Status int

	// Header is added to the answer.
	Header http.Header

	// Body writes the answer's body; every write is sent at once. It ends with
	// ctx, or with the first error of w. When nil, the body is the status in
	// words.
	Body func(ctx context.Context, w io.Writer) error

	// Takeover, when set, is given the connection in place of Status, Header
	// and Body. It ends with ctx; the connection is closed after it. Over
	// HTTP/2, where one connection carries many requests, only the request's
	// stream is reset.
	Takeover func(ctx context.Context, conn net.Conn)
}

// send carries the answer out. It returns when the answer is complete, the
// client is gone, or ctx has ended.
func (a Answer) send(ctx context.Context, w http.ResponseWriter) {
	if !a.wait(ctx) {
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	}
	if a.Takeover != nil || a.Status == 0 {
		a.takeOver(ctx, w)
		return
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	control := http.NewResponseController(w)
	body := a.Body
	if body == nil {
		body = inWords(a.Status)
	}
	if err := body(ctx, flushing{w, control}); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// wait passes the delay and waits for Until. It reports whether the answer
// should still be sent.
func (a Answer) wait(ctx context.Context) bool {
	if a.Delay > 0 && !pause(ctx, a.Delay) {
		return false
	}
	if a.Until == nil {
		return true
	}
	select {
	case <-a.Until:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a Answer) takeOver(ctx context.Context, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2, or a test's ResponseRecorder
		panic(http.ErrAbortHandler)
	}
	// net/http forgets a hijacked connection, and with it the watch for the
	// receiver's end.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	if a.Takeover != nil {
		a.Takeover(ctx, conn)
	}
}

// inWords returns a body that says the status, or nothing where HTTP allows no
// body.
func inWords(status int) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		if status == http.StatusNoContent || status == http.StatusNotModified {
			return nil
		}
		_, err := io.WriteString(w, http.StatusText(status)+"\n")
		return err //nolint:wrapcheck // only tells send that the client is gone
	}
}

// flushing sends every write at once.
type flushing struct {
	w       io.Writer
	control *http.ResponseController
}

// Write writes p and flushes it.
func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		return n, err //nolint:wrapcheck // an io.Writer passes errors through
	}
	return n, f.control.Flush() //nolint:wrapcheck // as above
}

// pause waits for d. It returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
