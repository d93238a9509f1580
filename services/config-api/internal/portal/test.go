package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// testForm answers GET /portal/webhooks/{id}/test.
func (p *Portal) testForm(req *request) error {
	return p.testPage(req, http.StatusOK, view.TestPage{})
}

// test answers POST /portal/webhooks/{id}/test: it sends a sample, or the data
// of the form.
func (p *Portal) test(req *request) error {
	body, err := testBody(req.r)
	if err != nil {
		return p.untested(req, err)
	}
	result, err := p.Service.Test(req.r.Context(), req.actor, req.org, req.r.PathValue("id"), body)
	if err != nil {
		return p.untested(req, err)
	}
	shown := view.TestResultOf(result, req.clock)
	return p.testPage(req, http.StatusOK, view.TestPage{Result: &shown})
}

// preview answers POST /portal/webhooks/{id}/preview.
func (p *Portal) preview(req *request) error {
	body, err := testBody(req.r)
	if err != nil {
		return p.untested(req, err)
	}
	r, err := p.Service.PreviewTest(req.r.Context(), req.org, req.r.PathValue("id"), body)
	if err != nil {
		return p.untested(req, err)
	}
	shown := view.RequestOf(r)
	return p.testPage(req, http.StatusOK, view.TestPage{Preview: &shown})
}

// untested shows the form again with why no test was made; it returns errors of
// other kinds.
func (p *Portal) untested(req *request, err error) error {
	f := fault.Of(err)
	var page view.TestPage
	switch f.Kind {
	case fault.Invalid, fault.Malformed, fault.TooLarge:
		page.Payload.Error = fieldsOf(f)
	case fault.Conflict, fault.Unavailable:
		page.Problem = f.Detail
	default:
		return err
	}
	return p.testPage(req, p.StatusOf(f.Kind), page)
}

// fieldsOf writes what is wrong with a payload, each part with its place.
func fieldsOf(f *fault.Error) string {
	if len(f.Fields) == 0 {
		return view.Sentence(f.Detail)
	}
	parts := make([]string, 0, len(f.Fields))
	for _, field := range f.Fields {
		parts = append(parts, view.Sentence(field.Detail))
	}
	return strings.Join(parts, " ")
}

func (p *Portal) testPage(req *request, status int, page view.TestPage) error {
	card, w, err := p.cardOf(req)
	if err != nil {
		return err
	}
	page.Card = card
	if page.Payload.Value = req.r.FormValue("data"); page.Payload.Value == "" {
		page.Payload.Value = sampleData(event.Type(w.Event), req)
	}
	if w.Status() != webhook.StatusActive && page.Problem == "" {
		page.Problem = "Only an active webhook can be tested."
	}
	return p.page(req, status, render.Frame{Title: "Test", Tab: "webhooks"}, "test", page)
}

// sampleData returns the data of a sample, indented to be edited.
func sampleData(t event.Type, req *request) string {
	var b bytes.Buffer
	if err := json.Indent(&b, event.Sample(t, req.org, "", req.clock.Now).Data, "", "  "); err != nil {
		return "{}"
	}
	return b.String()
}

// testBody returns the body of a test as manage takes it, nil for a sample.
func testBody(r *http.Request) ([]byte, error) {
	data := strings.TrimSpace(r.FormValue("data"))
	if data == "" {
		return nil, nil
	}
	if _, err := event.Canonical([]byte(data)); err != nil {
		detail := "data is nested too deep."
		if syntax, is := errors.AsType[*event.SyntaxError](err); is {
			detail = "data is not JSON: " + syntax.Error() + "."
		}
		return nil, fault.InvalidFields(fault.Field{Pointer: "/data", Detail: detail})
	}
	return []byte(`{"data":` + data + `}`), nil
}
