package ops

import (
	"net/http"
	"net/http/pprof"
)

// WithProfiles serves what handler serves and, under /debug/pprof/, the
// profiles of the Go runtime: for operators' eyes, since they tell much of what
// the process does and cost time to take.
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
