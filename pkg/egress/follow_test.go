package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// followed is a context that counts who follows it.
type followed struct {
	context.Context
	mu         sync.Mutex
	ever, left int
}

// Value hides the context beneath, with which context.AfterFunc would register.
func (f *followed) Value(any) any { return nil }

// AfterFunc is what context.AfterFunc calls.
func (f *followed) AfterFunc(do func()) func() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ever++
	stop := context.AfterFunc(f.Context, do)
	return func() bool {
		stopped := stop()
		f.mu.Lock()
		defer f.mu.Unlock()
		if stopped {
			f.left++
		}
		return stopped
	}
}

func (f *followed) want(t *testing.T, ever, left int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ever != ever || f.left != left {
		t.Errorf("followed %d times and left %d times, want %d and %d", f.ever, f.left, ever, left)
	}
}

// A connection follows the context of the request that uses it, registers no more
// than once with it, and leaves it when another context's request uses the connection
// or when the connection is closed.
func TestAConnectionFollowsItsUsersContext(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", answer(done))
	c := client(t, nil)
	program, end := context.WithCancel(t.Context())
	defer end()
	first := &followed{Context: program}
	want(t, c.Send(t.Context(), post(s.url())), "", "") // making a connection follows as well
	want(t, c.Send(first, post(s.url())), "", "")
	want(t, c.Send(context.WithValue(first, t, "one of its requests"), post(s.url())), "", "")
	first.want(t, 1, 0)
	caller, leave := context.WithCancel(t.Context())
	defer leave()
	second := &followed{Context: caller}
	want(t, c.Send(second, post(s.url())), "", "")
	first.want(t, 1, 1)
	second.want(t, 1, 0)
	want(t, c.Send(context.Background(), post(s.url())), "", "")
	second.want(t, 1, 1)
	want(t, c.Send(second, post(s.url())), "", "")
	c.Close()
	second.want(t, 2, 2)
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// An idle connection whose last user's context has ended may be woken at any
// moment: the next user gets another one.
func TestAConnectionThatIsBeingWokenIsNotUsed(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", answer(done))
	c := client(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	want(t, c.Send(ctx, post(s.url())), "", "")
	cancel()
	want(t, c.Send(t.Context(), post(s.url())), "", "")
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want a second one", n)
	}
	if out := c.Send(ctx, post(s.url())); out.Result != "" || !errors.Is(out.Cause, ErrCanceled) {
		t.Errorf("sent for a context that has ended: %+v", out)
	}
}

// What ends a request on a new connection ends it on a kept one too: the attempt's
// deadline, and its caller.
func TestAKeptConnectionIsNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	second := make(chan struct{}, 2)
	s := listen(t, "tcp", "127.0.0.1:0", func(conn *net.TCPConn) {
		r := bufio.NewReader(conn)
		request(r)
		_, _ = io.WriteString(conn, done)
		request(r)
		second <- struct{}{}
		_, _ = io.Copy(io.Discard, conn) // until the other side gives up
	})
	t.Run("its deadline", func(t *testing.T) {
		t.Parallel()
		c := client(t, func(cfg *Config) { cfg.Timeout = short })
		want(t, c.Send(t.Context(), post(s.url())), "", "")
		out := c.Send(t.Context(), post(s.url()))
		if out.Reason != delivery.ReasonTimeout || !errors.Is(out.Cause, errDeadline) {
			t.Errorf("%s %q (%v), want a timeout", out.Reason, out.Message, out.Cause)
		}
	})
	t.Run("its caller", func(t *testing.T) {
		t.Parallel()
		c := client(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		want(t, c.Send(ctx, post(s.url())), "", "")
		go func() {
			<-second
			cancel()
		}()
		if out := c.Send(ctx, post(s.url())); out.Result != "" || !errors.Is(out.Cause, ErrCanceled) {
			t.Errorf("%+v", out)
		}
	})
}
