package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// withHeaders returns the body of a creation with headers, given as JSON.
func withHeaders(headers string) string {
	return strings.TrimSuffix(good, "}") + `,"headers":` + headers + `}`
}

func TestAddedHeadersAreMaskedEverywhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	const value = "canary-b2c4f9"
	made := s.do(t, call{
		method: http.MethodPost, path: webhooks, body: withHeaders(`{"x-make-apikey":"` + value + `","X-B":"` + value + `"}`),
		header: map[string]string{"Idempotency-Key": "k1"},
	}).want(t, http.StatusCreated)
	id, _ := made.object(t)["id"].(string)
	path := webhooks + "/" + id

	// It is kept, and a delivery is in the log.
	w, err := s.store.Get(t.Context(), "acme", id)
	if err != nil || len(w.Headers) != 2 || w.Headers[1].Value.Reveal() != value {
		t.Fatalf("kept %d headers, %v", len(w.Headers), err)
	}
	a := storetest.Succeeded(w, time.Now(), time.Second)
	a.EventType, a.Test, a.EventSequence = event.CallCompleted, true, 0
	a.Body = []byte(`{}`)
	a.HeaderNames = []string{"x-make-apikey"} // before X-B was added
	if _, err := s.store.Record(t.Context(), delivery.DefaultPolicy(), []delivery.Attempt{a}); err != nil {
		t.Fatal(err)
	}

	replies := map[string]reply{
		"creation": made,
		"webhook":  s.do(t, call{path: path}),
		"list":     s.do(t, call{path: webhooks}),
		"change":   s.do(t, call{method: http.MethodPatch, path: path, body: `{"headers":{"X-B":"` + value + `2"}}`}),
		"delivery": s.do(t, call{path: path + "/deliveries/" + a.DeliveryID}),
		"audit":    s.do(t, call{path: "/v1/organizations/acme/audit-log"}),
	}
	for name, r := range replies {
		if r.status >= 300 || strings.Contains(string(r.text), value) {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
		if !strings.Contains(string(r.text), `"x-make-apikey":"********"`) && name != "delivery" {
			t.Errorf("%s does not tell of the header: %s", name, r.text)
		}
	}
	var shown struct {
		Log []struct {
			Request struct{ Headers map[string][]string }
		}
	}
	if err := json.Unmarshal(replies["delivery"].text, &shown); err != nil {
		t.Fatal(err)
	}
	headers := shown.Log[0].Request.Headers
	if !slices.Equal(headers["x-make-apikey"], []string{webhook.HeaderMask}) || headers["X-B"] != nil || headers["webhook-signature"] == nil {
		t.Errorf("the log shows %q", headers)
	}
	if log := s.log.String(); strings.Contains(log, value) {
		t.Error("the log of the service has the value")
	}
}

func TestHeadersArePatchedOneByOne(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.do(t, call{method: http.MethodPost, path: webhooks, body: withHeaders(`{"X-A":"1","X-B":"2"}`)}).
		want(t, http.StatusCreated).object(t)["id"].(string)
	for _, step := range []struct {
		patch, want string
		version     int64
	}{
		{`{"headers":{"X-C":"3"}}`, "X-A: 1|X-B: 2|X-C: 3", 2},
		{`{"headers":{"x-a":"9","X-B":null}}`, "x-a: 9|X-C: 3", 3},
		{`{"name":"Renamed"}`, "x-a: 9|X-C: 3", 4},
		{`{"headers":{"X-A":"********","X-Z":null}}`, "x-a: 9|X-C: 3", 4},
		{`{"headers":{}}`, "x-a: 9|X-C: 3", 4},
		{`{"headers":{"X-A":null,"x-c":null}}`, "", 5},
	} {
		s.do(t, call{method: http.MethodPatch, path: webhooks + "/" + id, body: step.patch}).want(t, http.StatusOK)
		w, err := s.store.Get(t.Context(), "acme", id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range w.Headers {
			got = append(got, h.Name+": "+h.Value.Reveal())
		}
		if strings.Join(got, "|") != step.want || w.Version != step.version {
			t.Errorf("after %s: %q in version %d, want %q in %d", step.patch, got, w.Version, step.want, step.version)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	for headers, want := range map[string]struct{ pointer, detail string }{
		`{"Host":"x"}`:                 {"/headers/Host", "cannot be set"},
		`{"X-DialNote-Signature":"x"}`: {"/headers/X-DialNote-Signature", "cannot be set"},
		`{"X A":"x"}`:                  {"/headers/X A", "is no name"},
		`{"X-A":"a\r\nX-B: c"}`:        {"/headers/X-A", "characters"},
		`{"X-A":1}`:                    {"/headers/X-A", "a string, not a number"},
		`{"X-A":"1","x-a":"2"}`:        {"/headers/x-a", "twice"},
		`{"X-A":"********"}`:           {"/headers/X-A", "mask"},
		`["X-A"]`:                      {"/headers", "must be an object"},
		`null`:                         {"/headers", "must not be null"},
		`{"~/":"x"}`:                   {"/headers/~0~1", "is no name"},
		`{"1":"a","2":"a","3":"a","4":"a","5":"a","6":"a","7":"a","8":"a","9":"a","10":"a","11":"a"}`: {"/headers", "at most 10"},
	} {
		for _, c := range []call{
			{method: http.MethodPost, path: webhooks, body: withHeaders(headers)},
			{method: http.MethodPatch, path: webhooks + "/" + id, body: `{"headers":` + headers + `}`},
		} {
			p := s.do(t, c).problem(t, http.StatusUnprocessableEntity)
			if len(p.Errors) != 1 || p.Errors[0].Pointer != want.pointer || !strings.Contains(p.Errors[0].Detail, want.detail) {
				t.Errorf("%s %s: %+v", c.method, headers, p.Errors)
			}
		}
	}
}
