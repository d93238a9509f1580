package ops

import (
	"net/http"
	"net/http/pprof"
)

// WithProfiles serves what handler serves and, under /debug/pprof/, the
// profiles of the Go runtime. They are for operators only, because they show much
// of what the process does, and taking them costs time.
func WithProfiles(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
