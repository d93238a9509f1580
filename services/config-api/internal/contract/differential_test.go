package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/dialnote/webhooks/proto"
)

// library reads the document and judges requests as kin-openapi does, which
// docs/adr/0011 compares with this package.
type library struct{ document *openapi3.T }

func newLibrary(tb testing.TB) library {
	tb.Helper()
	document, err := openapi3.NewLoader().LoadFromData(proto.OpenAPI())
	if err != nil {
		tb.Fatal(err)
	}
	return library{document}
}

// takes reports whether a request is as the document says. body is nil for one
// whose parameters are judged alone.
func (l library) takes(tb testing.TB, op *Operation, path map[string]string, query url.Values, header http.Header, body []byte) bool {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), op.Method, "http://test/?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header = header.Clone()
	if body != nil {
		r.Header.Set("Content-Type", op.Body.Types[0])
	}
	item := l.document.Paths.Find(op.Path)
	return openapi3filter.ValidateRequest(tb.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: path, QueryParams: query,
		Route: &routers.Route{Spec: l.document, Path: op.Path, PathItem: item, Method: op.Method, Operation: item.GetOperation(op.Method)},
		Options: &openapi3filter.Options{
			ExcludeRequestBody: body == nil, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}) == nil
}

// A description with a comma in it was cut off there: the rest was a key.
func TestTheDocumentIsValid(t *testing.T) {
	t.Parallel()
	if err := newLibrary(t).document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// examples are the parameters of a request that the document takes.
func examples(op *Operation) (path map[string]string, query url.Values, header http.Header) {
	path, query, header = map[string]string{}, url.Values{}, http.Header{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			path[p.Name] = p.Spec.Text("example")
		case !p.Required:
		case p.In == "query":
			query.Set(p.Name, p.Spec.Text("example"))
		case p.In == "header":
			header.Set(p.Name, p.Spec.Text("example"))
		}
	}
	return path, query, header
}

// values are some that a parameter may be given, right and wrong ones.
func values(p Parameter) []string {
	list := []string{
		"acme", "a.b", "ü", "x y", "24h", "true", "0", "1", "20", "100", "101", "-1", "1.5", "12345678901", "2026-11-02T09:30:00Z", "2026-11-02",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 300), p.Spec.Text("example"), strings.ToUpper(p.Spec.Text("example")),
	}
	for _, one := range p.SchemaSpec.List("enum") {
		list = append(list, fmt.Sprint(one))
	}
	return slices.DeleteFunc(list, func(v string) bool { return v == "" }) // an absent one to the library
}

func TestParametersAreJudgedAsByTheLibrary(t *testing.T) {
	t.Parallel()
	d, l, taken, refused := load(t), newLibrary(t), 0, 0
	for _, op := range d.Operations() {
		for _, p := range op.Parameters {
			for _, v := range values(p) {
				path, query, header := examples(op)
				switch p.In {
				case "path":
					path[p.Name] = v
				case "query":
					query.Set(p.Name, v)
				case "header":
					header.Set(p.Name, v)
				}
				ours := p.check([]string{v}) == ""
				if l.takes(t, op, path, query, header, nil) != ours {
					t.Errorf("%s: the %s parameter %s may be %q: %t, and not to the library", op.ID, p.In, p.Name, v, ours)
				}
				taken, refused = count(ours, taken, refused)
			}
		}
	}
	if taken < 100 || refused < 100 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
}

// variants are an operation's example body and what becomes of it when each of
// its fields in turn is left out, or is something else.
func variants(t *testing.T, op *Operation) [][]byte {
	t.Helper()
	example, is := plain(op.Body.Spec.Object("example")).(map[string]any)
	if !is {
		t.Fatalf("%s has no example", op.ID)
	}
	var list [][]byte
	add := func(name string, value any, present bool) {
		changed := maps.Clone(example)
		changed[name] = value
		if !present {
			delete(changed, name)
		}
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	add("", nil, false)
	add("unknown", 1, true)
	for _, name := range op.Body.Spec.Object("properties").Keys() {
		add(name, nil, false)
		for _, value := range []any{
			nil, true, 0, 1, -1, 1.5, 1e300, "", " ", "x", "2026-11-02T09:30:00Z", "2026-11-02", "call.completed", "disabled",
			strings.Repeat("x", 101), strings.Repeat("x", 3000),
			[]any{},
			[]any{1},
			[]any{map[string]any{"name": "X-A", "value": "b"}},
			map[string]any{},
			map[string]any{"a": 1},
		} {
			add(name, value, true)
		}
	}
	for _, text := range []string{`null`, `[]`, `"x"`, `5`, `{}`} {
		list = append(list, []byte(text))
	}
	return list
}

func TestBodiesAreJudgedAsByTheLibrary(t *testing.T) {
	t.Parallel()
	d, l, taken, refused := load(t), newLibrary(t), 0, 0
	for _, op := range d.Operations() {
		if op.Body == nil || op.Body.Types[0] != "application/json" {
			continue
		}
		path, query, header := examples(op)
		for _, text := range variants(t, op) {
			wrong, err := op.Body.Decode(text, new(any))
			ours := err == nil && len(wrong) == 0
			if l.takes(t, op, path, query, header, text) != ours {
				t.Errorf("%s: the body %.200s may be: %t (%v, %v), and not to the library", op.ID, text, ours, wrong, err)
			}
			taken, refused = count(ours, taken, refused)
		}
	}
	if taken < 50 || refused < 200 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
}

func load(tb testing.TB) *Document {
	tb.Helper()
	d, err := Load(proto.OpenAPI())
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func count(ours bool, taken, refused int) (int, int) {
	if ours {
		return taken + 1, refused
	}
	return taken, refused + 1
}

// BenchmarkJudge is what it costs to judge a request without a body, and one
// with.
func BenchmarkJudge(b *testing.B) {
	d, l := load(b), newLibrary(b)
	for _, op := range d.Operations() {
		if op.ID != "getWebhook" && op.ID != "createWebhook" {
			continue
		}
		path, query, header := examples(op)
		var body []byte
		if op.Body != nil {
			var err error
			if body, err = op.Body.Spec.Object("example").MarshalJSON(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(op.ID+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), op.Method, "http://test/", bytes.NewReader(body))
				if err == nil {
					err = op.CheckParameters(r, func(name string) string { return path[name] })
				}
				if err == nil && body != nil {
					_, err = op.Body.Decode(body, new(any))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(op.ID+"/library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !l.takes(b, op, path, query, header, body) {
					b.Fatal("refused")
				}
			}
		})
	}
}
