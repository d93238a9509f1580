package bare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/bare"
	"github.com/dialnote/webhooks/services/hooklab/bench/sink"
)

// receiving returns a client of a receiver that runs until the test ends.
func receiving(t *testing.T, hosts int) *sink.Client {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sink.Serve(ctx, hosts, in) }()
	var places sink.Places
	if err := json.NewDecoder(out).Decode(&places); err != nil {
		t.Fatal(err)
	}
	client := sink.NewClient(places)
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return client
}

func run(t *testing.T, p bare.Plan) bare.Report {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := bare.Run(t.Context(), bytes.NewReader(text), &out); err != nil {
		t.Fatal(err)
	}
	var report bare.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEveryRequestArrivesOnce(t *testing.T) {
	t.Parallel()
	client := receiving(t, 3)
	for name, plan := range map[string]bare.Plan{
		"http":  {Hosts: []string{client.HTTP}},
		"hosts": {Hosts: client.Hosts},
		"https": {Hosts: []string{client.HTTPS}, Authority: client.Authority},
		"http2": {Hosts: []string{client.HTTP2}, Authority: client.Authority, HTTP2: true},
		"paced": {Hosts: []string{client.HTTP}, Every: time.Millisecond},
	} {
		plan.Run, plan.Count, plan.InFlight = name, 100, 4
		if err := client.Expect(t.Context(), sink.Plan{Slots: plan.Count, Times: true, Mark: 10}); err != nil {
			t.Fatal(err)
		}
		report := run(t, plan)
		counts, err := client.Wait(t.Context(), plan.Count, time.Minute)
		if err != nil {
			t.Fatal(name, err)
		}
		if counts.Arrived != 100 || counts.Duplicates+counts.Unexpected != 0 || counts.First > counts.Last || counts.First == 0 {
			t.Errorf("%s: %+v", name, counts)
		}
		if report.Rate <= 0 || report.CPU <= 0 || (len(report.Sent) == plan.Count) != (plan.Every > 0) {
			t.Errorf("%s: %+v", name, report)
		}
		times, err := client.Times(t.Context())
		if err != nil || len(times) != plan.Count {
			t.Fatal(name, len(times), err)
		}
		for i, sent := range report.Sent {
			if times[i] < sent {
				t.Errorf("request %d arrived before it was sent", i)
			}
		}
		if marks, err := client.Marks(t.Context()); err != nil || len(marks) != 10 || marks[9] == 0 {
			t.Errorf("%s: marks %v, %v", name, marks, err)
		}
	}
}

func TestFailuresAreNotMeasured(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `{}`, `{"hosts":["http://127.0.0.1:1"],"count":3,"inFlight":2}`,
		`{"hosts":["https://127.0.0.1:1"],"count":3,"inFlight":2,"authority":"none"}`,
	} {
		if err := bare.Run(t.Context(), strings.NewReader(text), io.Discard); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
