package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/hooklab/bench"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want error
		says string
	}{
		{nil, errUsage, "bench run"},
		{[]string{"dance"}, errUsage, "bench check"},
		{[]string{"run", "-h"}, flag.ErrHelp, "-cases"},
		{[]string{"run", "-scale", "2"}, errUsage, "at most 1"},
		{[]string{"run", "-scale", "0"}, errUsage, "at most 1"},
		{[]string{"run", "-runs", "0"}, errUsage, "-runs"},
		{[]string{"run", "5"}, errUsage, "-runs"},
		{[]string{"run", "-cases", "brust"}, bench.ErrUnknownCase, ""},
		{[]string{"check", "-h"}, flag.ErrHelp, "-update"},
	} {
		var stderr bytes.Buffer
		err := start(t.Context(), c.args, nil, io.Discard, &stderr)
		if !errors.Is(err, c.want) || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q: %v, says %q", c.args, err, stderr.String())
		}
	}
}

// helper runs a subcommand until the test ends and returns its first line.
func helper(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- start(ctx, args, nil, in, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	line := make([]byte, 64<<10)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n]))
}

func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestParts(t *testing.T) {
	t.Parallel()
	var places sink.Places
	if err := json.Unmarshal([]byte(helper(t, "receive", "2")), &places); err != nil || len(places.Hosts) != 2 {
		t.Fatalf("%+v, %v", places, err)
	}
	if status, text := call(t, http.MethodPost, places.Hosts[1]+"/quiet", "{}"); status != http.StatusOK || text != `{"ok":true}` {
		t.Error(status, text)
	}
	echo := helper(t, "echo")
	if status, text := call(t, http.MethodPost, echo+"/one", `{"name":"N"}`); status != http.StatusCreated || !strings.Contains(text, `"name":"N"`) {
		t.Error(status, text)
	}
	if status, text := call(t, http.MethodGet, echo+"/ten", ""); status != http.StatusOK || strings.Count(text, `"id"`) != 10 {
		t.Error(status, text)
	}
}
