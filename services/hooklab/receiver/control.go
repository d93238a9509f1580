package receiver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// ControlPrefix is where the control API answers; every other path is a
// webhook's.
const ControlPrefix = "/_hooklab/"

// WithControl returns a handler that answers the control API under
// ControlPrefix and is the receiver everywhere else:
//
//	GET    /_hooklab/requests[?path=]   the kept requests, oldest first
//	DELETE /_hooklab/requests           forget requests, counts and ids
//	GET    /_hooklab/counts             everything that was counted
//	GET    /_hooklab/behaviour          the paths that were given a behaviour
//	PUT    /_hooklab/behaviour          {"path","behaviour"}; "" gives the path its own back
//	PUT    /_hooklab/secret             {"path","secret"}
//	POST   /_hooklab/missing            event ids, one a line: those never answered with 2xx
//
// It asks for no credential: keep it on the loopback or inside a test network.
func (r *Receiver) WithControl() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_hooklab/requests", func(w http.ResponseWriter, req *http.Request) {
		requests := r.Requests(req.URL.Query().Get("path"))
		if requests == nil {
			requests = []Request{}
		}
		answerJSON(w, requests)
	})
	mux.HandleFunc("DELETE /_hooklab/requests", func(w http.ResponseWriter, _ *http.Request) {
		r.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_hooklab/counts", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, r.Totals()) })
	mux.HandleFunc("GET /_hooklab/behaviour", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, r.Behaviours()) })
	mux.HandleFunc("PUT /_hooklab/behaviour", r.putBehaviour)
	mux.HandleFunc("PUT /_hooklab/secret", r.putSecret)
	mux.HandleFunc("POST /_hooklab/missing", r.postMissing)
	// A ServeMux redirects paths it finds unclean, so webhooks do not pass it.
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, ControlPrefix) {
			mux.ServeHTTP(w, req)
			return
		}
		r.ServeHTTP(w, req)
	})
}

func (r *Receiver) putBehaviour(w http.ResponseWriter, req *http.Request) {
	var wish struct{ Path, Behaviour string }
	if !readJSON(w, req, &wish) {
		return
	}
	if err := r.SetText(wish.Path, wish.Behaviour); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) putSecret(w http.ResponseWriter, req *http.Request) {
	var wish struct{ Path, Secret string }
	if !readJSON(w, req, &wish) {
		return
	}
	if err := signature.CheckSecret(webhook.Secret(wish.Secret)); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	r.Expect(wish.Path, wish.Secret)
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) postMissing(w http.ResponseWriter, req *http.Request) {
	lines := bufio.NewScanner(req.Body)
	ids := func(yield func(string) bool) {
		for lines.Scan() {
			if lines.Text() != "" && !yield(lines.Text()) {
				return
			}
		}
	}
	missing := slices.AppendSeq([]string{}, r.Missing(ids))
	if err := lines.Err(); err != nil {
		http.Error(w, fmt.Sprintf("read the ids: %v", err), http.StatusBadRequest)
		return
	}
	answerJSON(w, map[string]any{"missing": missing})
}

func readJSON(w http.ResponseWriter, req *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, req.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, fmt.Sprintf("read the request: %v", err), http.StatusBadRequest)
		return false
	}
	return true
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that left needs no answer
}
