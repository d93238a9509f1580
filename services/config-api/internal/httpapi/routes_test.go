package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

func document(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Load(proto.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// operation returns an operation of the document.
func operation(t *testing.T, id string) *contract.Operation {
	t.Helper()
	for _, op := range document(t).Operations() {
		if op.ID == id {
			return op
		}
	}
	t.Fatalf("no operation %s", id)
	return nil
}

// Nothing is served beside the document, whose operations are all behind the
// guard and in the tenancy test, but what is listed here.
func TestNothingIsServedBesideTheDocument(t *testing.T) {
	t.Parallel()
	d := document(t)
	h, err := New(Options{Document: d, Registry: prometheus.NewRegistry(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	e, ok := h.(*echo.Echo)
	if !ok {
		t.Fatalf("the handler is a %T", h)
	}
	known := map[string]bool{"GET /docs/style.css": true}
	for _, op := range d.Operations() {
		known[op.Method+" "+op.Route()] = true
		if op.Method == http.MethodGet {
			known["HEAD "+op.Route()] = true
		}
	}
	for _, r := range e.Routes() {
		page := strings.HasPrefix(r.Path, PagePath) // it asks for a session itself
		if !known[r.Method+" "+r.Path] && !page && r.Path != strings.TrimSuffix(PagePath, "/") {
			t.Errorf("%s %s is served and in no document", r.Method, r.Path)
		}
	}
}
