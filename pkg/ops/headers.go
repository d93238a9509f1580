package ops

import (
	"maps"
	"net/http"
)

// SetSafeHeaders sets the headers of a response that is no page: browsers trust
// its Content-Type, load nothing for it, show it in no other page, and send no
// Referer from it. A handler that answers with a page replaces them.
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
		maps.Copy(w.Header(), safe) // handlers replace its values and do not change them in place
		handler.ServeHTTP(w, r)
	})
}
