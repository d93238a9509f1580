package receiver

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkReceive is a signed request through the handler, without a network.
func BenchmarkReceive(b *testing.B) {
	rec := New(Options{})
	rec.Expect("/ok", "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY")
	body := `{"id":"evt_1","data":"` + strings.Repeat("x", 600) + `"}`
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/ok", strings.NewReader(body))
			req.Header.Set("X-DialNote-Delivery", strconv.Itoa(n))
			req.Header.Set("X-DialNote-Signature", "sha256="+strings.Repeat("0", 64))
			req.Header.Set("webhook-id", strconv.Itoa(n))
			rec.ServeHTTP(httptest.NewRecorder(), req)
		}
	})
}

// BenchmarkIDs says how much memory an id costs.
func BenchmarkIDs(b *testing.B) {
	const ids = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		set := newIDSet()
		for n := range ids {
			set.add(strconv.Itoa(n), true)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/ids, "bytes/id")
		runtime.KeepAlive(set)
	}
}
