package stream_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/stream"
)

// An old server is one that says so when it is connected to.
func TestEnsureOnAnOldServerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveOld(conn)
		}
	}()
	c, err := stream.Connect(stream.Settings{URL: "nats://" + listener.Addr().String()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var refused error
	await(t, func() bool {
		refused = c.Ensure(t.Context(), topology())
		return errors.Is(refused, stream.ErrServerTooOld)
	})
	if !strings.Contains(refused.Error(), "2.9.25") || !strings.Contains(refused.Error(), "2.12") {
		t.Errorf("error is %q, want one that names both versions", refused)
	}
}

// serveOld speaks as much of the protocol as a client needs to connect.
func serveOld(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprint(conn, `INFO {"server_id":"OLD","version":"2.9.25","proto":1,"headers":true,"max_payload":1048576}`+"\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "PING") {
			_, _ = fmt.Fprint(conn, "PONG\r\n")
		}
	}
}
