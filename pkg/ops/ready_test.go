package ops_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/ops"
)

// The health check of a container, of a service that starts, serves, and is gone.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	health := ops.NewHealth()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- ops.Serve(t.Context(), l, ops.NewConnections("connections", nil), ops.Handler(health, ops.NewRegistry()), time.Second)
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ask := func(addr string) (int, string) {
		var said bytes.Buffer
		p := cli.Program{Name: "test", Commands: []cli.Command{ops.HealthCommand(addr)}}
		return p.Run(t.Context(), []string{"healthcheck"}, nil, &said, &said), said.String()
	}
	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port} {
		if code, said := ask(addr); code != 1 || !strings.Contains(said, "not ready: service: starting") {
			t.Errorf("%s, starting: %d %s", addr, code, said)
		}
	}
	health.Started()
	if code, said := ask(":" + port); code != 0 || said != "" {
		t.Errorf("ready: %d %s", code, said)
	}
	_ = l.Close()
	<-served
	if code, said := ask(":" + port); code != 1 || !strings.Contains(said, "does not answer") {
		t.Errorf("gone: %d %s", code, said)
	}
}
