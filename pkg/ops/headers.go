package ops

import (
	"maps"
	"net/http"
)

// SetSafeHeaders sets the headers of an answer that is no page: it is taken for
// what it says it is, loads nothing, is shown in no other page, and tells no
// other site where somebody came from. A handler that answers with a page
// replaces them.
func SetSafeHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// safely sets the safe headers before each answer.
func safely(handler http.Handler) http.Handler {
	safe := http.Header{}
	SetSafeHeaders(safe)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), safe) // whose values nobody changes in place
		handler.ServeHTTP(w, r)
	})
}
