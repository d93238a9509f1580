package ops

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
)

// HealthCommand returns the command that asks the service on this machine whether
// it is ready, for a container's health check. addr is the default of OPS_ADDR.
func HealthCommand(addr string) cli.Command {
	return cli.Command{
		Name:    "healthcheck",
		Summary: "Ask the running service whether it is ready.",
		Help: "It asks /readyz at DIALNOTE_OPS_ADDR, on this machine. Code 0 says ready; 1 not, and\n" +
			"then what is missing is printed. It is for the health checks of containers.",
		Needs: []string{},
		Flags: func(flags *flag.FlagSet) cli.Run {
			patience := flags.Duration("timeout", 4*time.Second, "how long to wait for the answer")
			return func(ctx context.Context, c cli.Call) error {
				ctx, cancel := context.WithTimeout(ctx, *patience)
				defer cancel()
				return AskReady(ctx, cmp.Or(c.Settings.OpsAddr, addr))
			}
		},
	}
}

// AskReady asks the service that listens on addr whether it is ready. It returns
// nil, or an error with the response. The service is on this machine, so a
// wildcard address is reached by loopback.
func AskReady(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %s: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true} // no proxy of the environment's: it is this machine
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("the service does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // only to be shown
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the service is not ready: %s", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "))
	}
	return nil
}
