package egress

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
)

const inFlight = 64

// benchmarkServer answers as most receivers of webhooks do.
func benchmarkServer(b *testing.B) string {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	b.Cleanup(s.Close)
	return s.URL + "/hook"
}

func benchmarkRequest(url string) Request {
	return Request{
		Method: http.MethodPost, URL: url, Body: bytes.Repeat([]byte("x"), 400),
		Fields: delivery.Fields{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "X-DialNote-Signature", Value: "sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
			{Name: "X-DialNote-Event", Value: "call.completed"},
			{Name: "X-DialNote-Delivery", Value: "dlv_0123456789abcdef"},
			{Name: "webhook-id", Value: "evt_0123456789"},
			{Name: "webhook-timestamp", Value: "1793534400"},
			{Name: "webhook-signature", Value: "v1,0123456789abcdef0123456789abcdef0123456789a="},
		},
	}
}

func runInFlight(b *testing.B, each func() error) {
	b.Helper()
	b.SetParallelism(inFlight / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	before := processorTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := each(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime returns what this process, the benchmark's server included,
// has used: the figure that a busy machine does not distort.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// fieldsOf returns a copy of a request's fields with room for those that Send
// adds, as delivery.Header makes them.
func fieldsOf(r Request) delivery.Fields {
	return append(make(delivery.Fields, 0, len(r.Fields)+2), r.Fields...)
}

// BenchmarkSend is what a request costs whose URL's normal form is known, as it is
// in a dispatcher's cache.
func BenchmarkSend(b *testing.B) {
	c := client(b, nil)
	r := benchmarkRequest(benchmarkServer(b))
	var err error
	if r.Normal, err = local.Target(r.URL); err != nil {
		b.Fatal(err)
	}
	runInFlight(b, func() error {
		again := r
		again.Fields = fieldsOf(r)
		out := c.Send(b.Context(), again)
		if out.Result != delivery.Succeeded {
			return out.Cause
		}
		return nil
	})
}

// BenchmarkTransport is what Send would cost by net/http's transport: the same
// guard, deadline, phases and captured answer.
func BenchmarkTransport(b *testing.B) {
	c := client(b, nil)
	r := benchmarkRequest(benchmarkServer(b))
	target, err := local.Target(r.URL)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{
		MaxIdleConns: 1024, MaxIdleConnsPerHost: inFlight, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.dialer.dial(ctx, http1.Key{Host: target.Host}, true)
		},
	}
	b.Cleanup(transport.CloseIdleConnections)
	runInFlight(b, func() error {
		again := r
		again.Normal, again.Fields = target, c.complete(fieldsOf(r))
		if err := valid(again); err != nil {
			return err
		}
		ctx, stop := context.WithDeadlineCause(b.Context(), time.Now().Add(c.timeout), errDeadline)
		defer stop()
		var got, first atomic.Int64
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:              func(httptrace.GotConnInfo) { got.Store(time.Now().UnixNano()) },
			GotFirstResponseByte: func() { first.Store(time.Now().UnixNano()) },
		})
		resp, err := transport.RoundTrip(httpRequest(ctx, again))
		if err != nil {
			return err
		}
		out := judge(resp.StatusCode, resp.Header, time.Now())
		out.Response = c.capture(resp)
		out.Phases.FirstByte = time.Duration(first.Load() - got.Load())
		if out.Result != delivery.Succeeded {
			return out.Cause
		}
		return nil
	})
}

// BenchmarkBareClient is what net/http alone costs: the same request, the same
// deadline, no guard, no capture.
func BenchmarkBareClient(b *testing.B) {
	bare := &http.Client{Timeout: DefaultTimeout, Transport: &http.Transport{
		MaxIdleConns: 1024, MaxIdleConnsPerHost: inFlight, DisableCompression: true,
	}}
	b.Cleanup(bare.CloseIdleConnections)
	r := benchmarkRequest(benchmarkServer(b))
	runInFlight(b, func() error {
		req, err := http.NewRequestWithContext(b.Context(), r.Method, r.URL, bytes.NewReader(r.Body))
		if err != nil {
			return err
		}
		req.Header = r.Fields.Header()
		resp, err := bare.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}
