package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// healthcheck asks the receiver on this machine whether it answers: what a
// container's health check runs.
func healthcheck(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("hooklab healthcheck", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9400", "address of the receiver")
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+*addr+receiver.ControlPrefix+"counts", nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	res, err := (&http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("healthcheck: the receiver answers %s", res.Status)
	}
	return nil
}
