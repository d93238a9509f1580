package ops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// serveBounded serves with room for most connections until the test ends. It
// tells of each connection that the server takes for idle: a moment after its
// answer has arrived.
func serveBounded(t *testing.T, most int, handler http.HandlerFunc) (addr string, idle <-chan struct{}) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(handler, most)
	changed, rested := srv.ConnState, make(chan struct{}, 100)
	srv.ConnState = func(c net.Conn, state http.ConnState) {
		changed(c, state)
		if state == http.StateIdle {
			rested <- struct{}{}
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return l.Addr().String(), rested
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask makes a request on a connection and leaves it open.
func ask(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// closed waits until the server has closed a connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is open: %v", err)
	}
}

// The connection that has waited longest is displaced, whether it has never sent
// anything or nothing since its last request.
func TestWaitingConnectionsAreDisplaced(t *testing.T) {
	t.Parallel()
	addr, idle := serveBounded(t, 3, func(http.ResponseWriter, *http.Request) {})
	kept := dial(t, addr)
	ask(t, kept)
	<-idle // so that it has waited longer than those that follow
	silent := dial(t, addr)
	third := dial(t, addr)
	ask(t, third)
	fourth := dial(t, addr)
	ask(t, fourth)
	closed(t, kept)
	fifth := dial(t, addr)
	ask(t, fifth)
	closed(t, silent)
	ask(t, fourth)
	ask(t, fifth)
}

// A request under way is never cut off for a new connection: the new one goes.
func TestRequestsAreNotDisplaced(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	addr, _ := serveBounded(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "done")
	})
	answers := make(chan error, 2)
	for range 2 {
		c := dial(t, addr)
		go func() {
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if err == nil {
				var resp *http.Response
				if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					_ = resp.Body.Close()
				}
			}
			answers <- err
		}()
		<-began
	}
	closed(t, dial(t, addr))
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	c := newConnections(2)
	pipes := make([]net.Conn, 5)
	for i := range pipes {
		pipes[i], _ = net.Pipe()
		if displaced := c.note(pipes[i], http.StateNew); i >= 2 && displaced != pipes[i-2] {
			t.Errorf("connection %d displaces %v", i, displaced)
		}
		c.note(pipes[i], http.StateActive)
		c.note(pipes[i], http.StateIdle)
	}
	for _, p := range pipes { // those displaced report it too
		c.note(p, http.StateClosed)
	}
	if len(c.all) != 0 || c.waiting.Len() != 0 {
		t.Errorf("%d are known, %d waiting", len(c.all), c.waiting.Len())
	}
}

// A request's headers are bounded in size and in time.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	srv := newServer(http.NotFoundHandler(), 1)
	if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Errorf("the server has no limit somewhere: %+v", srv)
	}
	addr, _ := serveBounded(t, 8, func(http.ResponseWriter, *http.Request) { t.Error("the request was handled") })
	c := dial(t, addr)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // headers without end
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := fmt.Fprintf(c, "X-%d: %0900d\r\n", n, n); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %d", resp.StatusCode)
		}
	} // or the connection was reset before the answer could be read
}
