package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/share"
	"github.com/dialnote/webhooks/pkg/stream"
)

type handler func(context.Context, stream.TestCall) (delivery.TestResult, error)

// offer makes tests on a connection of its own until stop is called, which waits
// for those in progress.
func offer(t *testing.T, srv *natstest.Server, handle handler) (stop func()) {
	t.Helper()
	c := connect(t, srv)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.NewTestService(slog.New(slog.DiscardHandler), share.NewPool("tests", share.Rule{Total: 64, Factor: 1}, 0), handle).Run(ctx, t.Context())
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// asked asks for a test until a dispatcher is there, and returns its result.
func asked(t *testing.T, c *stream.Conn, call stream.TestCall) (delivery.TestResult, error) {
	t.Helper()
	var (
		result delivery.TestResult
		err    error
	)
	await(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		result, err = c.Test(ctx, call)
		f := fault.Of(err)
		return f == nil || f.Code != "no-dispatcher"
	})
	return result, err
}

func TestATestComesBackAsItWasMade(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	want := delivery.TestResult{
		Attempt: delivery.Attempt{
			ID: "att_1", DeliveryID: "dlv_1", Number: 1, Test: true, Body: []byte("{\"a\":\"\u2028<ü>\"}"),
			StartedAt: time.Now().UTC().Round(0), EndedAt: time.Now().UTC().Round(0),
			Outcome: delivery.Outcome{
				Result: delivery.Failed, Reason: delivery.ReasonServerError, Message: "No.", StatusCode: 503, RetryAfter: time.Minute,
				Response: delivery.Response{Header: map[string][]string{"X-A": {"1", ""}}, Body: []byte{0, 0xff, '"'}, Truncated: true},
				Phases:   delivery.Phases{Connect: 1, Total: time.Second},
			},
		},
		Request: delivery.Request{URL: "https://a.example/", Header: map[string][]string{"X-DialNote-Event": {"x"}}, Body: []byte("{}")},
	}
	call := stream.TestCall{OrganizationID: "acme", WebhookID: "wh_1", Event: []byte(`{"id":"evt_test_1"}`)}
	offer(t, srv, func(_ context.Context, got stream.TestCall) (delivery.TestResult, error) {
		if !reflect.DeepEqual(got, call) {
			t.Errorf("called with %+v, want %+v", got, call)
		}
		answer := want
		answer.Attempt.Outcome.Cause = errors.New("for the operator")
		return answer, nil
	})
	got, err := asked(t, connect(t, srv), call)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestAFaultOfATestComesBackWithoutItsCause(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	var failure error
	offer(t, srv, func(context.Context, stream.TestCall) (delivery.TestResult, error) {
		return delivery.TestResult{}, failure
	})
	c := connect(t, srv)
	known := fault.New(fault.Conflict, "webhook-not-active", "No.")
	known.Fields = []fault.Field{{Pointer: "/data", Detail: "No."}}
	for want, err := range map[*fault.Error]error{
		known:                    known.Because(errors.New("secret")),
		fault.Of(errors.New("")): errors.New("secret"),
	} {
		failure = err
		_, got := asked(t, c, stream.TestCall{})
		f, ok := errors.AsType[*fault.Error](got)
		if !ok || f.Kind != want.Kind || f.Code != want.Code || f.Detail != want.Detail || !reflect.DeepEqual(f.Fields, want.Fields) || f.Cause != nil {
			t.Errorf("%v came back as %v", err, got)
		}
	}
}

func TestATestWithoutADispatcherIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	_, err := c.Test(t.Context(), stream.TestCall{})
	if f := fault.Of(err); f == nil || f.Kind != fault.Unavailable || f.Code != "no-dispatcher" {
		t.Errorf("without a dispatcher: %v", err)
	}

	began, end := make(chan struct{}, 1), make(chan struct{})
	stop := offer(t, srv, func(context.Context, stream.TestCall) (delivery.TestResult, error) {
		began <- struct{}{}
		<-end
		return delivery.TestResult{}, nil
	})
	await(t, func() bool { // once the dispatcher is known, the call ends with its context
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Test(ctx, stream.TestCall{})
		return fault.Of(err).Code != "no-dispatcher"
	})
	if f := fault.Of(err); f.Kind != fault.Unavailable || f.Code != "test-unanswered" {
		t.Errorf("without an answer: %v", err)
	}
	<-began
	close(end) // stop waits for the test under way
	stop()
	if _, err := c.Test(t.Context(), stream.TestCall{}); fault.Of(err).Code != "no-dispatcher" {
		t.Errorf("after the stop: %v", err)
	}
}

func TestASlowTestDelaysNoOtherAndOneDispatcherAnswersEach(t *testing.T) {
	t.Parallel()
	const n = 20
	srv := natstest.Start(t)
	var all sync.WaitGroup // every test waits until all are under way
	all.Add(n)
	var mu sync.Mutex
	seen := map[string]int{}
	together := func(_ context.Context, call stream.TestCall) (delivery.TestResult, error) {
		mu.Lock()
		seen[call.WebhookID]++
		mu.Unlock()
		if call.WebhookID != "probe" {
			all.Done()
			all.Wait()
		}
		return delivery.TestResult{}, nil
	}
	offer(t, srv, together)
	offer(t, srv, together)
	c := connect(t, srv)
	if _, err := asked(t, c, stream.TestCall{WebhookID: "probe"}); err != nil {
		t.Fatal(err)
	}
	var answered sync.WaitGroup
	for i := range n {
		answered.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if _, err := c.Test(ctx, stream.TestCall{WebhookID: string(rune('a' + i))}); err != nil {
				t.Error(err)
			}
		})
	}
	answered.Wait()
	delete(seen, "probe")
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was tested %d times", id, times)
		}
	}
}

// A dispatcher that stops has received tests that it does not begin.
func TestATestIsMadeWhileDispatchersComeAndGo(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	here := make(chan struct{}, 1)
	dispatcher := func() (stop func()) {
		var first sync.Once
		return offer(t, srv, func(context.Context, stream.TestCall) (delivery.TestResult, error) {
			first.Do(func() { here <- struct{}{} })
			return delivery.TestResult{}, nil
		})
	}
	stop := dispatcher()
	c := connect(t, srv)
	if _, err := asked(t, c, stream.TestCall{}); err != nil {
		t.Fatal(err)
	}
	var (
		over    atomic.Bool
		callers sync.WaitGroup
	)
	for range 8 {
		callers.Go(func() {
			for !over.Load() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				_, err := c.Test(ctx, stream.TestCall{})
				if cancel(); err != nil {
					t.Errorf("a test was refused though another dispatcher was there: %v", err)
				}
			}
		})
	}
	<-here
	for range 30 {
		next := dispatcher()
		<-here // it is there before the other leaves
		stop()
		stop = next
	}
	over.Store(true)
	callers.Wait()
}
