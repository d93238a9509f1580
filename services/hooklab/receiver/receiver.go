package receiver

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options are a receiver's settings. The zero value is usable.
type Options struct {
	// Keep is how many requests are kept whole. 0 means 1,000; a negative
	// number keeps none.
	Keep int

	// BodyLimit is how many bytes of a body are kept; signatures are checked
	// over the whole body, up to 16 MiB. 0 means 128 KiB.
	BodyLimit int

	// Each, when set, is called for every request, before it is answered and by
	// several at once. AccessLog and JSONLines make one.
	Each func(Request)
}

// maxBody is the largest body that is read. A longer one counts as broken.
const maxBody = 16 << 20

// Receiver answers requests as scripted and records them. It is an
// http.Handler; Listen and ListenTLS serve it. It is safe for concurrent use.
type Receiver struct {
	record    *record
	bodyLimit int
	each      func(Request)

	ctx   context.Context // ends with Close: answers that never end do then
	close context.CancelFunc

	mu        sync.RWMutex
	scripts   map[string]script
	secrets   map[string][]string
	listeners []*Listener
}

// script is a behaviour that replaces a path's own.
type script struct {
	behaviour Behaviour
	text      string // as given to SetText, for the control API
	from      uint64 // the path's requests before it, which it does not count
}

// New returns a receiver that listens nowhere yet.
func New(o Options) *Receiver {
	if o.Keep == 0 {
		o.Keep = 1000
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = 128 << 10
	}
	if o.Each == nil {
		o.Each = func(Request) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Receiver{
		record:    newRecord(max(0, o.Keep)),
		bodyLimit: o.BodyLimit,
		each:      o.Each,
		ctx:       ctx,
		close:     cancel,
		scripts:   make(map[string]script),
		secrets:   make(map[string][]string),
	}
}

// Set makes a path behave differently from the next request on; nth counts
// from there. A nil behaviour gives the path its own back.
func (r *Receiver) Set(path string, b Behaviour) { r.set(path, b, "set by the program") }

// SetText is Set with a behaviour in Parse's grammar; "" gives the path its own
// back. It returns an error, and changes nothing, when the text is not
// understood.
func (r *Receiver) SetText(path, text string) error {
	if text == "" {
		r.Set(path, nil)
		return nil
	}
	b, known, err := Parse(text)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("behaviour %q is not known", text)
	}
	r.set(path, b, text)
	return nil
}

func (r *Receiver) set(path string, b Behaviour, text string) {
	from := r.record.begun(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if b == nil {
		delete(r.scripts, path)
		return
	}
	r.scripts[path] = script{behaviour: b, text: text, from: from}
}

// Expect makes the receiver check the signatures of requests to a path. A path
// may have several secrets, one for each webhook that sends there. Without any,
// its requests are recorded as Unverified.
func (r *Receiver) Expect(path, secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.secrets[path], secret) {
		// A fresh slice: requests that are being checked hold the old one.
		r.secrets[path] = append(slices.Clip(r.secrets[path]), secret)
	}
}

// Requests returns the kept requests to a path, or all when path is "", oldest
// first.
func (r *Receiver) Requests(path string) []Request {
	kept := r.record.since(0)
	if path == "" {
		return kept
	}
	return slices.DeleteFunc(kept, func(req Request) bool { return req.Path != path })
}

// Counts returns what came to a path, or in all when path is "".
func (r *Receiver) Counts(path string) Counts {
	if path == "" {
		return r.record.all()
	}
	return r.record.counts(path)
}

// Totals returns everything that was counted, path by path.
func (r *Receiver) Totals() Totals { return r.record.totals() }

// Clear forgets the requests, counts and ids. Behaviours, secrets, and what is
// in flight, stay.
func (r *Receiver) Clear() { r.record.clear() }

// Behaviours returns the texts of the paths that were given a behaviour.
func (r *Receiver) Behaviours() map[string]string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	texts := make(map[string]string, len(r.scripts))
	for path, s := range maps.All(r.scripts) {
		texts[path] = s.text
	}
	return texts
}

// ServeHTTP records the request and answers it as its path is scripted.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	arrived := time.Now()
	path := req.URL.Path
	nth := r.record.begin(path)
	broken := false
	defer func() { r.record.end(path, broken) }()

	wire := wireHeader(req)
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		broken = true
		panic(http.ErrAbortHandler) // the client is gone, or sends without end
	}
	answer := r.answer(req, nth)
	recorded := r.record.add(r.describe(req, arrived, nth, wire, body, answer.Status))
	r.each(recorded)

	ctx, stop := r.untilClosed(req.Context())
	defer stop()
	answer.send(ctx, w)
}

// answer returns the answer to the nth request of its path.
func (r *Receiver) answer(req *http.Request, nth uint64) Answer {
	r.mu.RLock()
	s, scripted := r.scripts[req.URL.Path]
	r.mu.RUnlock()
	if scripted {
		return s.behaviour(nth - min(nth, s.from))
	}
	b, known, err := Parse(req.URL.RequestURI())
	switch {
	case err != nil:
		return Answer{Status: http.StatusBadRequest, Body: func(_ context.Context, w io.Writer) error {
			_, werr := io.WriteString(w, err.Error()+"\n")
			return werr //nolint:wrapcheck // only tells send that the client is gone
		}}
	case known:
		return b(nth)
	default:
		return Answer{Status: http.StatusOK}
	}
}

func (r *Receiver) describe(req *http.Request, at time.Time, nth uint64, wire string, body []byte, status int) Request {
	r.mu.RLock()
	secrets := r.secrets[req.URL.Path]
	r.mu.RUnlock()
	dialNote, standard := verify(req.Header, body, secrets, at)
	return Request{
		Nth:        nth,
		At:         at,
		Method:     req.Method,
		URI:        req.RequestURI,
		Path:       req.URL.Path,
		Proto:      req.Proto,
		Remote:     req.RemoteAddr,
		TLS:        overTLS(req),
		Wire:       wire,
		Header:     req.Header.Clone(),
		Body:       slices.Clone(body[:min(len(body), r.bodyLimit)]),
		BodySize:   int64(len(body)),
		EventType:  req.Header.Get("X-DialNote-Event"),
		EventID:    req.Header.Get("webhook-id"),
		DeliveryID: req.Header.Get("X-DialNote-Delivery"),
		DialNote:   dialNote,
		Standard:   standard,
		Status:     status,
	}
}

// untilClosed returns ctx, ended too when the receiver is closed.
func (r *Receiver) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
