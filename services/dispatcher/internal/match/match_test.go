package match_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

// source is a database whose reads can be held up.
type source struct {
	mu       sync.Mutex
	webhooks map[string][]webhook.Webhook
	err      error
	reads    atomic.Int64
	started  chan struct{} // receives from each read that is held up
	proceed  chan struct{} // nil: reads are not held up
}

func (s *source) All(ctx context.Context, organizationID string) ([]webhook.Webhook, error) {
	s.reads.Add(1)
	s.mu.Lock()
	found, err, proceed := slices.Clone(s.webhooks[organizationID]), s.err, s.proceed
	s.mu.Unlock()
	if proceed != nil {
		s.started <- struct{}{}
		<-proceed
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return found, err
}

func (s *source) set(organizationID string, list ...webhook.Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.webhooks == nil {
		s.webhooks = make(map[string][]webhook.Webhook)
	}
	s.webhooks[organizationID] = list
}

// holdUp makes the reads from now on wait for the returned function.
func (s *source) holdUp() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	proceed := make(chan struct{})
	s.started, s.proceed = make(chan struct{}, 16), proceed
	return func() {
		s.mu.Lock()
		s.proceed = nil
		s.mu.Unlock()
		close(proceed)
	}
}

type lease struct{ lost atomic.Bool }

func (l *lease) Fresh() bool { return !l.lost.Load() }

func hook(id string, s webhook.Setting) webhook.Webhook {
	return webhook.Webhook{ID: id, OrganizationID: "acme", URL: "https://hooks.example.com/in", Event: s, Secret: secret}
}

func newMatcher(t *testing.T) (*match.Matcher, *source, *lease) {
	t.Helper()
	s, l := &source{}, &lease{}
	s.set("acme", hook("wh_1", webhook.SendCallLogs), hook("wh_2", webhook.SendNotes), hook("wh_3", webhook.Disabled))
	m, err := match.New(s, l, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return m, s, l
}

// calls returns the webhooks that calls of acme go to.
func calls(t *testing.T, m *match.Matcher) string {
	t.Helper()
	targets, err := m.Match(t.Context(), "acme", event.CallCompleted)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, target := range targets {
		ids = append(ids, target.Webhook.ID)
	}
	return strings.Join(ids, " ")
}

func wantReads(t *testing.T, s *source, want int64) {
	t.Helper()
	if got := s.reads.Load(); got != want {
		t.Errorf("the database was read %d times, want %d", got, want)
	}
}

func TestAnOrganizationIsReadOnce(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	for range 3 {
		if got := calls(t, m); got != "wh_1" {
			t.Errorf("calls go to %q", got)
		}
	}
	found, err := m.Find(t.Context(), "acme", "wh_2")
	if err != nil || found == nil || found.Webhook.ID != "wh_2" || found.Signer == nil || found.URL == nil {
		t.Errorf("found %+v, %v", found, err)
	}
	wantReads(t, s, 1)
	if hits := m.Stats().Hits.Load(); hits != 3 {
		t.Errorf("%d hits, want 3", hits)
	}
}

func TestAnotherOrganizationsWebhookIsNotFound(t *testing.T) {
	t.Parallel()
	m, _, _ := newMatcher(t)
	found, err := m.Find(t.Context(), "other", "wh_1")
	if err != nil || found != nil {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestWithoutTheLeaseTheDatabaseAnswers(t *testing.T) {
	t.Parallel()
	m, s, l := newMatcher(t)
	calls(t, m)
	l.lost.Store(true)
	s.set("acme", hook("wh_9", webhook.SendCallLogs))
	if got := calls(t, m); got != "wh_9" {
		t.Errorf("calls go to %q", got)
	}
	l.lost.Store(false) // what was read meanwhile is not kept, and what was is still there
	if got := calls(t, m); got != "wh_1" {
		t.Errorf("calls go to %q", got)
	}
	wantReads(t, s, 2)
}

func TestWhatIsDroppedIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*match.Matcher){
		"one": func(m *match.Matcher) { m.Drop("acme") },
		"all": func(m *match.Matcher) { m.DropAll() },
	} {
		m, s, _ := newMatcher(t)
		calls(t, m)
		s.set("acme")
		drop(m)
		if got := calls(t, m); got != "" {
			t.Errorf("%s: after the drop calls go to %q", name, got)
		}
		wantReads(t, s, 2)
	}
}

// A read that was under way at the drop may be older than the change.
func TestADropDuringAReadKeepsNothingOfIt(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*match.Matcher){
		"one": func(m *match.Matcher) { m.Drop("acme") },
		"all": func(m *match.Matcher) { m.DropAll() },
	} {
		m, s, _ := newMatcher(t)
		release := s.holdUp()
		old := make(chan string, 1)
		go func() { old <- calls(t, m) }()
		<-s.started
		s.set("acme", hook("wh_9", webhook.SendCallLogs))
		drop(m)
		release()
		if got := <-old; got != "wh_1" {
			t.Errorf("%s: the read that began before got %q", name, got)
		}
		for range 2 {
			if got := calls(t, m); got != "wh_9" {
				t.Errorf("%s: after the drop calls go to %q", name, got)
			}
		}
		wantReads(t, s, 2)
	}
}

// A caller after a drop shares no read that began before it.
func TestAReadIsNotSharedAcrossADrop(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	release := s.holdUp()
	answers := make(chan string, 2)
	go func() { answers <- calls(t, m) }()
	<-s.started
	m.Drop("acme")
	go func() { answers <- calls(t, m) }()
	<-s.started
	release()
	<-answers
	<-answers
	wantReads(t, s, 2)
}

func TestMissesAtOnceShareOneRead(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	release := s.holdUp()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { calls(t, m) })
	}
	<-s.started
	release()
	all.Wait()
	if reads := s.reads.Load(); reads > 2 { // one may have come after the first was done
		t.Errorf("%d reads", reads)
	}
}

func TestACallerThatGivesUpEndsItsWaitAndNotTheRead(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	release := s.holdUp()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := m.Match(ctx, "acme", event.CallCompleted)
		failed <- err
	}()
	<-s.started
	cancel()
	select {
	case err := <-failed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the match goes on after its context's end")
	}
	release()
	if got := calls(t, m); got != "wh_1" {
		t.Errorf("calls go to %q", got)
	}
	wantReads(t, s, 1)
}

func TestAFailedReadIsNotKept(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	s.err = errors.New("away")
	if _, err := m.Match(t.Context(), "acme", event.CallCompleted); !errors.Is(err, s.err) {
		t.Errorf("got %v", err)
	}
	s.err = nil
	if got := calls(t, m); got != "wh_1" {
		t.Errorf("calls go to %q", got)
	}
}

func TestATargetSaysWhyItCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*webhook.Webhook){
		"secret": func(w *webhook.Webhook) { w.Secret = "whsec_short" },
		"url":    func(w *webhook.Webhook) { w.URL = "https://exa mple" },
	} {
		m, s, _ := newMatcher(t)
		w := hook("wh_1", webhook.SendCallLogs)
		change(&w)
		s.set("acme", w)
		found, err := m.Find(t.Context(), "acme", "wh_1")
		if err != nil || found == nil || found.Err == nil {
			t.Errorf("bad %s: %+v, %v", name, found, err)
		}
	}
}

// Readers, drops and writers at once: after a drop no reader is given what was
// true before it.
func TestNothingOldIsSeenAfterADrop(t *testing.T) {
	t.Parallel()
	m, s, _ := newMatcher(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					calls(t, m)
				}
			}
		})
	}
	for i := range 2000 {
		w := hook("wh_1", webhook.SendCallLogs)
		w.Version = int64(i + 1)
		s.set("acme", w)
		m.Drop("acme")
		found, err := m.Find(t.Context(), "acme", "wh_1")
		if err != nil || found.Webhook.Version != w.Version {
			t.Fatalf("version %d after the drop for %d, %v", found.Webhook.Version, w.Version, err)
		}
	}
	close(stop)
	readers.Wait()
}
