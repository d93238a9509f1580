package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/share"
	"github.com/dialnote/webhooks/pkg/trace"
	"github.com/dialnote/webhooks/proto"
)

// Tests are requests to the dispatchers, so that the address guard, signing and
// the deadline are in one service.

// testers is the queue group: one dispatcher of it receives each request.
const testers = "dispatchers"

// TestCall asks for a test of a webhook.
type TestCall struct {
	OrganizationID string `json:"organizationId"`
	WebhookID      string `json:"webhookId"`
	Event          []byte `json:"event"` // as JSON
}

// askedAtMost bounds how many dispatchers are asked for one test, when those
// before were about to stop.
const askedAtMost = 4

// errLeaving says that a dispatcher received a test while it was about to stop,
// and did not begin it: another may be asked.
var errLeaving = errors.New("the dispatcher is about to stop")

// Test has a dispatcher test a webhook and returns the result. A fault of the
// dispatcher is returned as it is. While no dispatcher runs, or none replies until
// ctx ends, Test returns a fault of kind Unavailable.
func (c *Conn) Test(ctx context.Context, call TestCall) (delivery.TestResult, error) {
	for asked := 1; ; asked++ {
		result, err := c.test(ctx, call)
		if asked == askedAtMost || !errors.Is(err, errLeaving) {
			return result, err
		}
	}
}

// test asks one dispatcher.
func (c *Conn) test(ctx context.Context, call TestCall) (delivery.TestResult, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return delivery.TestResult{}, fmt.Errorf("write test of webhook %s: %w", call.WebhookID, err)
	}
	request := &nats.Msg{Subject: proto.SubjectTests, Header: nats.Header{}, Data: body}
	trace.Inject(ctx, request.Header)
	msg, err := c.nc.RequestMsgWithContext(ctx, request)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return delivery.TestResult{}, noDispatcher(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return delivery.TestResult{}, fault.New(fault.Unavailable, "test-unanswered",
			"We do not know what came of the test. Look in the log, or try again.").Because(err)
	case err != nil:
		return delivery.TestResult{}, fmt.Errorf("test webhook %s: %w", call.WebhookID, unavailable(err))
	}
	var reply testReply
	if err := json.Unmarshal(msg.Data, &reply); err != nil {
		return delivery.TestResult{}, fmt.Errorf("read what came of the test of webhook %s: %w", call.WebhookID, err)
	}
	switch {
	case reply.Leaving:
		return delivery.TestResult{}, noDispatcher(errLeaving)
	case reply.Fault != nil:
		return delivery.TestResult{}, reply.Fault.fault()
	}
	if reply.Result == nil {
		return delivery.TestResult{}, fmt.Errorf("the answer to the test of webhook %s is empty", call.WebhookID)
	}
	return reply.Result.result(), nil
}

func noDispatcher(cause error) error {
	return fault.New(fault.Unavailable, "no-dispatcher", "Nothing can be sent at the moment. Try again in a moment.").Because(cause)
}

// TestService answers TestCalls.
type TestService struct {
	c      *Conn
	log    *slog.Logger
	handle func(context.Context, TestCall) (delivery.TestResult, error)
	places *share.Pool
	mu     sync.Mutex // no test begins while Run waits for those in progress
	ended  bool
	active sync.WaitGroup
}

// NewTestService returns a service that has handle make the tests. Each takes one of
// the places while it is made, of which an organization has its share.
func (c *Conn) NewTestService(log *slog.Logger, places *share.Pool, handle func(context.Context, TestCall) (delivery.TestResult, error)) *TestService {
	return &TestService{c: c, log: log, handle: handle, places: places}
}

// flushTimeout bounds how long Run waits, at its end, for requests that the server
// has already sent.
const flushTimeout = time.Second

// Run makes tests until ctx ends, and then waits for those in progress. work is
// the context of the tests. The caller of one that arrives meanwhile asks another
// dispatcher.
func (s *TestService) Run(ctx, work context.Context) error {
	service, err := micro.AddService(s.c.nc, micro.Config{
		Name:        "dialnote-dispatcher",
		Version:     "1.0.0", // of this contract
		Description: "Makes the requests of the Test button.",
		QueueGroup:  testers,
		Endpoint: &micro.EndpointConfig{
			Subject: proto.SubjectTests,
			Handler: micro.HandlerFunc(func(r micro.Request) { s.receive(work, r) }),
		},
	})
	if err != nil {
		return fmt.Errorf("offer tests: %w", unavailable(err))
	}
	<-ctx.Done()
	_ = service.Stop() // fails only when the connection is closed
	_ = s.c.nc.FlushTimeout(flushTimeout)
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.active.Wait()
	return nil
}

// receive begins a test and returns: the next one must not wait for it.
func (s *TestService) receive(work context.Context, r micro.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, data := r.Reply(), r.Data()
	work = trace.From(work, nats.Header(r.Headers()))
	var call TestCall
	if err := json.Unmarshal(data, &call); err != nil {
		s.answer(reply, delivery.TestResult{}, fmt.Errorf("read the call for a test: %w", err))
		return
	}
	if s.ended {
		s.answer(reply, delivery.TestResult{}, noDispatcher(errLeaving))
		return
	}
	if err := s.places.Try(call.OrganizationID, 1); err != nil {
		s.answer(reply, delivery.TestResult{}, tooManyTests(err))
		return
	}
	s.active.Go(func() {
		defer s.places.Release(call.OrganizationID, 1)
		result, err := s.handle(work, call)
		s.answer(reply, result, err)
	})
}

// tooManyTests returns the fault of a test that gets no place.
func tooManyTests(why error) error {
	if errors.Is(why, share.ErrOverShare) {
		return fault.New(fault.RateLimited, "too-many-tests", "Too many of your webhooks are being tested. Try again when some of the tests have ended.")
	}
	return fault.New(fault.Unavailable, "too-many-tests", "Too many tests are being made. Try again in a moment.")
}

// answer sends the reply. It does not use the micro request, which must not be
// used by another goroutine.
func (s *TestService) answer(to string, result delivery.TestResult, failure error) {
	reply := testReply{Result: messageOfTestResult(result)}
	if failure != nil {
		f := fault.Of(failure)
		reply = testReply{Fault: messageOfFault(f), Leaving: errors.Is(failure, errLeaving)}
		if f.Kind == fault.Internal {
			s.log.Error("test failed", slog.Any("error", failure))
		}
	}
	body, err := json.Marshal(reply)
	if err == nil {
		err = s.c.nc.Publish(to, body)
	}
	if err != nil {
		s.log.Warn("test result not sent", slog.Any("error", err))
	}
}
