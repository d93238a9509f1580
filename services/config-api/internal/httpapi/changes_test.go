package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/sse"
)

// quiet is an organization without webhooks; hear tells of it.
type quiet struct {
	mu   sync.Mutex
	hear func(stream.Activity)
}

func (q *quiet) WatchActivity(_ context.Context, _ string, hear func(stream.Activity)) (func(), error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hear = hear
	return func() {}, nil
}

func (q *quiet) Gaps(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

func (*quiet) Snapshot(context.Context, string, func(webhook.Webhook) bool) (map[string]manage.View, error) {
	return nil, nil
}

// pipes is a listener whose connections stay in the process, and so in a test's
// bubble: writing waits for the reader.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// connect asks for a stream of changes and returns the connection, from which
// nothing has been read, and what is heard. The credential is good, or as the
// verdicts say.
func connect(t *testing.T, list ...error) (c net.Conn, hub *live.Hub, heard *quiet) {
	t.Helper()
	heard = &quiet{}
	hub, err := live.New(live.Options{
		Source: heard, Webhooks: heard, Limits: live.DefaultLimits(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	limiters, err := newLimiters(Limits{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Options: Options{Live: hub, Authenticator: &verdicts{append(list, nil)}}, limiters: limiters}
	op := operation(t, "watchChanges")
	e := echo.New()
	e.GET(op.Route(), func(c echo.Context) error { return s.WatchChanges(c, "acme") }, s.guard(op))
	listener := make(pipes, 1)
	srv := &http.Server{Handler: e, ReadTimeout: 30 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	ours, theirs := net.Pipe()
	listener <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		close(listener)
		_ = srv.Close()
		synctest.Wait()
	})
	go func() {
		_, _ = io.WriteString(ours, "GET /v1/organizations/acme/changes HTTP/1.1\r\nHost: test\r\n\r\n")
	}()
	synctest.Wait()
	return ours, hub, heard
}

func TestAReaderThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, hub, _ := connect(t)
		time.Sleep(sse.WriteTimeout - time.Second) //nolint:forbidigo // the bubble's own clock: the bound is what is tested
		if hub.Listeners() != 1 {
			t.Fatalf("%d listeners", hub.Listeners())
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's own clock
		synctest.Wait()
		if hub.Listeners() != 0 {
			t.Error("the stream holds its place")
		}
	})
}

func TestAStreamShowsThatItIsAliveAndEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, hub, heard := connect(t)
		began := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		var beats []time.Duration
		var rest strings.Builder
		for lines.Scan() {
			if lines.Text() != ":" {
				fmt.Fprintln(&rest, lines.Text())
				continue
			}
			if beats = append(beats, time.Since(began)); len(beats) == 2 {
				go func() {
					time.Sleep(3 * time.Second) //nolint:forbidigo // the bubble's own clock
					heard.hear(stream.Activity{More: true})
				}()
			}
		}
		if err := lines.Err(); err != nil || time.Since(began) != streamTime {
			t.Errorf("the stream ended after %s: %v", time.Since(began), err)
		}
		// 15 and 30 s; an event at 33 s; and again from 48 s on, the last one 12 s before the end.
		if len(beats) < 100 || beats[0] != sse.Beat || beats[1] != 2*sse.Beat || beats[2] != 48*time.Second || beats[3] != 63*time.Second {
			t.Errorf("beats at %v", beats)
		}
		retry, events, _ := strings.Cut(rest.String(), "\n")
		events = strings.Join(strings.Fields(events), " ")
		if events != `event: resync data: {"reason":"connected"} event: resync data: {"reason":"busy"}` {
			t.Errorf("the stream was %q", rest.String())
		}
		if !strings.HasPrefix(retry, "retry: ") || len(retry) != len("retry: 2000") {
			t.Errorf("first line %q", retry)
		}
		synctest.Wait()
		if hub.Listeners() != 0 {
			t.Error("the stream holds its place")
		}
	})
}

func TestAStreamIsCutOffWhenItsCredentialIsRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		revoked := fault.New(fault.Unauthenticated, "unauthenticated", "Gone.")
		c, hub, _ := connect(t, nil, nil, revoked, revoked)
		began := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*credentialRecheck {
			t.Errorf("the stream ended after %s", took)
		}
		synctest.Wait()
		if hub.Listeners() != 0 {
			t.Error("the stream holds its place")
		}
	})
}

func TestAReaderThatLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, hub, _ := connect(t)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		defer func() { _ = resp.Body.Close() }()
		synctest.Wait()
		if hub.Listeners() != 0 {
			t.Error("the stream holds its place")
		}
	})
}
