package portal

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What is to be said is kept for the page that a person sees next, whatever the
// page before asks for in between.
func TestOnlyAPageTakesWhatIsToBeSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header map[string]string
		taken  bool
	}{
		"an old browser's page":   {nil, true},
		"a page":                  {map[string]string{"Sec-Fetch-Dest": "document"}, true},
		"a page in another's":     {map[string]string{"Sec-Fetch-Dest": "iframe"}, true},
		"a part of a page":        {map[string]string{"Sec-Fetch-Dest": "empty", "HX-Request": "true"}, false},
		"an old browser's part":   {map[string]string{"HX-Request": "true"}, false},
		"the stream":              {map[string]string{"Sec-Fetch-Dest": "empty", "Accept": "text/event-stream"}, false},
		"an old browser's stream": {map[string]string{"Accept": "text/event-stream"}, false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/portal/", nil)
		r.AddCookie(&http.Cookie{Name: flashCookie, Value: redelivered})
		for key, value := range c.header {
			r.Header.Set(key, value)
		}
		w := httptest.NewRecorder()
		word := takeFlash(w, r)
		if (word == redelivered) != c.taken || (w.Header().Get("Set-Cookie") != "") != c.taken {
			t.Errorf("%s: took %q, and the cookie was set to %q", name, word, w.Header().Get("Set-Cookie"))
		}
	}
}
