package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/hooklab/receiver"
	"github.com/dialnote/webhooks/services/standalone/app"
)

// patience bounds a failure; what succeeds takes a second or two.
const patience = 60 * time.Second

// system is the whole of it in this process, with a customer's receiver.
type system struct {
	*app.Standalone

	receiver    *receiver.Receiver
	receiverURL string
	stop        func() // and wait
}

func start(t *testing.T) *system {
	t.Helper()
	return startWith(t, app.Options{Log: slog.New(slog.DiscardHandler)})
}

// startWith is start with some of the options.
func startWith(t *testing.T, o app.Options) *system {
	t.Helper()
	settings, err := config.Load(map[string]string{
		config.Prefix + "DATA_DIR": t.TempDir(), config.Prefix + "HTTP_ADDR": "127.0.0.1:0",
		config.Prefix + "ALLOW_HTTP_ENDPOINTS": "true", config.Prefix + "ALLOW_PRIVATE_ENDPOINTS": "true",
		config.Prefix + "RETRY_SCHEDULE": "100ms,100ms,100ms,100ms", config.Prefix + "NATS_SYNC": "1m",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := receiver.New(receiver.Options{})
	listener, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	o.Settings, o.NATSAddr, o.Out = settings, "127.0.0.1:0", io.Discard
	s, err := app.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, context.Background()) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("standalone ended: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-ended:
		t.Fatalf("standalone ended: %v", err)
	case <-time.After(patience):
		t.Fatal("standalone is not ready")
	}
	return &system{Standalone: s, receiver: r, receiverURL: listener.URL(""), stop: stop}
}

// call makes a request of an organization and returns the answer's body.
func (s *system) call(t *testing.T, method, path string, body any, want int) (answer map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var reader io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL()+"/v1/organizations/"+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token())
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Fatalf("%s %s answered %d: %s", method, path, resp.StatusCode, text)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return answer
}

func (s *system) create(t *testing.T, organization, path string) (id string) {
	t.Helper()
	id, _ = s.call(t, http.MethodPost, organization+"/webhooks", map[string]string{
		"name": "CRM", "provider": "custom", "url": s.receiverURL + path, "event": "note.created",
	}, http.StatusCreated)["id"].(string)
	return id
}

func (s *system) publish(t *testing.T, organization string) {
	t.Helper()
	s.call(t, http.MethodPost, organization+"/events", map[string]any{
		"type": "note.created",
		"data": map[string]string{"noteId": "n1", "conversationId": "c1", "body": "Hello", "authorId": "u1", "createdAt": "2026-11-23T10:00:00Z"},
	}, http.StatusAccepted)
}

// told is one event of a stream of changes.
type told struct {
	name string
	data struct {
		Reason string

		ID      string
		Changes []string
		Webhook *struct {
			Status         string
			DisabledReason string
			FailureCount   int
			HeldEvents     *int64
			LastSentAt     *time.Time
		}

		WebhookID  string
		Status     string
		EventType  string
		Attempt    int
		StatusCode int
	}
}

// feed is an open stream of changes.
type feed struct {
	lines *bufio.Scanner
	seen  []string // for a failure's words
	held  int64    // events that wait, as last told
}

func (s *system) watch(t *testing.T, organization string) *feed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/v1/organizations/"+organization+"/changes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token())
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	f := &feed{lines: bufio.NewScanner(resp.Body)}
	if e, more := f.next(t); !more || e.data.Reason != "connected" {
		t.Fatalf("the stream begins with %+v", e)
	}
	return f
}

// next returns the next event, and false at the end of the stream.
func (f *feed) next(t *testing.T) (e told, more bool) {
	t.Helper()
	for f.lines.Scan() {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			f.seen = append(f.seen, e.name+" "+value)
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				t.Fatal(err)
			}
			if w := e.data.Webhook; w != nil && w.HeldEvents != nil {
				f.held = *w.HeldEvents
			}
			return e, true
		}
	}
	return e, false
}

// untilHeld reads on until an event says that n events wait.
func (f *feed) untilHeld(t *testing.T, n int64) {
	t.Helper()
	for f.held != n {
		f.until(t, "a webhook's held events", func(e told) bool { return e.name == "webhook" })
	}
}

// until reads on to the first event that is wanted.
func (f *feed) until(t *testing.T, what string, wanted func(told) bool) told {
	t.Helper()
	for {
		e, more := f.next(t)
		if !more {
			t.Fatalf("%s was not told: %v; told were\n%s", what, f.lines.Err(), strings.Join(f.seen, "\n"))
		}
		if wanted(e) {
			return e
		}
	}
}

func change(id, kind string) func(told) bool {
	return func(e told) bool {
		return e.name == "webhook" && e.data.ID == id && slices.Contains(e.data.Changes, kind)
	}
}

// notices waits until the platform has n notices, and returns all it has.
func (s *system) notices(t *testing.T, n int) (list []webhook.Notice) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		list = nil
		for _, m := range natstest.Stored(t, s.NATSURL(), proto.StreamNotices) {
			var notice webhook.Notice
			if err := json.Unmarshal(m.Data, &notice); err != nil {
				t.Fatal(err)
			}
			if want := proto.SubjectNotice(notice.OrganizationID, string(notice.Kind)); m.Subject != want {
				t.Errorf("a notice at %s, want %s", m.Subject, want)
			}
			list = append(list, notice)
		}
		if len(list) >= n {
			return list
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d notices of %d: %+v", len(list), n, list)
		}
	}
}

func TestWhatHappensIsSentAsItHappens(t *testing.T) {
	t.Parallel()
	s := start(t)
	f, other := s.watch(t, "acme"), s.watch(t, "other")
	id := s.create(t, "acme", "/hook")
	f.until(t, "the creation", change(id, "created"))

	s.publish(t, "acme")
	e := f.until(t, "the delivery", func(e told) bool { return e.name == "delivery" })
	if e.data.WebhookID != id || e.data.Status != "delivered" || e.data.EventType != "note.created" || e.data.StatusCode != 200 || e.data.Attempt != 1 {
		t.Errorf("told %+v", e.data)
	}
	if e := f.until(t, "last sent", change(id, "counts")); e.data.Webhook.LastSentAt == nil {
		t.Errorf("told %+v", e.data.Webhook)
	}

	// The receiver breaks; the third failure in a row disables.
	s.receiver.Set("/hook", receiver.Statuses(http.StatusServiceUnavailable))
	s.publish(t, "acme")
	failure := func(e told, n int) bool {
		return e.name == "delivery" && e.data.StatusCode == http.StatusServiceUnavailable && e.data.Attempt == n
	}
	for n := 1; n < 3; n++ {
		f.until(t, "a failure", func(e told) bool { return failure(e, n) })
	}
	third := false // what is told of a webhook is its state of the moment: perhaps before the attempt that led there
	f.until(t, "the third failure and the automatic disabling", func(last told) bool {
		if third = third || failure(last, 3); change(id, "auto_disabled")(last) {
			e = last
		}
		return third && change(id, "auto_disabled")(e)
	})
	if w := e.data.Webhook; w.Status != "auto_disabled" || w.DisabledReason != "failures" || w.FailureCount != 3 {
		t.Errorf("told %+v", w)
	}
	n := s.notices(t, 1)[0]
	if n.Kind != webhook.NoticeAutoDisabled || n.WebhookID != id || n.OrganizationID != "acme" || n.WebhookName != "CRM" ||
		n.DisabledReason != webhook.DisabledForFailures || n.LastError == nil || n.LastError.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("notice %+v", n)
	}
	f.untilHeld(t, 1)

	// It is repaired and enabled: what waited is delivered.
	s.receiver.Set("/hook", receiver.OK())
	s.call(t, http.MethodPost, "acme/webhooks/"+id+"/enable", nil, http.StatusOK)
	f.until(t, "the enabling or what it let go", func(e told) bool {
		return change(id, "enabled")(e) || e.name == "delivery" && e.data.Status == "delivered"
	})
	f.untilHeld(t, 0)
	s.call(t, http.MethodDelete, "acme/webhooks/"+id, nil, http.StatusNoContent)
	f.until(t, "the deletion", change(id, "deleted"))
	var kinds []webhook.NoticeKind
	for _, n := range s.notices(t, 3) {
		kinds = append(kinds, n.Kind)
	}
	if want := []webhook.NoticeKind{webhook.NoticeAutoDisabled, webhook.NoticeEnabled, webhook.NoticeDeleted}; !slices.Equal(kinds, want) {
		t.Errorf("noticed %v, want %v", kinds, want)
	}

	// The other organization's first event is its own.
	theirs := s.create(t, "other", "/theirs")
	if e, _ := other.next(t); e.name != "webhook" || e.data.ID != theirs {
		t.Errorf("the other organization was told %+v", e)
	}
	s.stop()
	for more := true; more; {
		_, more = f.next(t)
	}
	if err := f.lines.Err(); err != nil {
		t.Errorf("the stream was cut off: %v", err)
	}
}
