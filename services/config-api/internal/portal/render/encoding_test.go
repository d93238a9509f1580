package render_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
)

func TestEncoding(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]string{
		"":                        "",
		"identity":                "",
		"gzip":                    "gzip",
		"gzip, deflate":           "gzip",
		"gzip, deflate, br, zstd": "br",
		"BR;q=0.5,gzip;q=1.0":     "br",
		"br;q=0, gzip":            "gzip",
		"br; q=0.000, gzip;q=0.1": "gzip",
		"br;q=0.05, gzip":         "br",
		"brotli, x-gzip":          "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept-Encoding", accepted)
		if got := render.Encoding(r); got != want {
			t.Errorf("%q: %q, want %q", accepted, got, want)
		}
	}
}
