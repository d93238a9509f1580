package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/proto"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

func load(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Load(proto.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// operationAt returns the operation that a request is for, nil for none.
func operationAt(d *contract.Document, method, path string) *contract.Operation {
	path, _, _ = strings.Cut(path, "?")
	given := strings.Split(path, "/")
	for _, op := range d.Operations() {
		promised := strings.Split(op.Path, "/")
		if op.Method == method && slices.EqualFunc(promised, given, func(p, g string) bool {
			return p == g || strings.HasPrefix(p, "{") && g != ""
		}) {
			return op
		}
	}
	return nil
}

// kept fails the test when an answer is not one that the document promises.
// Every answer of every test goes through it.
func kept(t *testing.T, d *contract.Document, c call, r reply) {
	t.Helper()
	if d == nil {
		return
	}
	op := operationAt(d, c.method, c.path)
	if op == nil {
		return
	}
	i := slices.IndexFunc(op.Responses, func(p contract.Response) bool { return p.Status == itoa(r.status) })
	if i < 0 {
		t.Errorf("%s: the document does not promise %d: %s", op.ID, r.status, r.text)
		return
	}
	promised := op.Responses[i]
	for _, name := range promised.Headers.Keys() {
		if d.Resolve(promised.Headers.Get(name)).Bool("required") && r.header.Get(name) == "" {
			t.Errorf("%s: %d without the header %s", op.ID, r.status, name)
		}
	}
	if given, _, _ := strings.Cut(r.header.Get("Content-Type"), ";"); given != promised.Type {
		t.Errorf("%s: %d is %q, promised %q", op.ID, r.status, given, promised.Type)
	}
	if strings.HasSuffix(promised.Type, "json") {
		if err := promised.CheckBody(r.text); err != nil {
			t.Errorf("%s: %d: %v: %s", op.ID, r.status, err, r.text)
		}
	}
	if promised.Type == "application/problem+json" {
		listed(t, d, r)
	}
}

// listed fails the test when the type of a problem is not in the document's
// list of types.
func listed(t *testing.T, d *contract.Document, r reply) {
	t.Helper()
	name := strings.TrimPrefix(r.problem(t, r.status).Type, "urn:dialnote:problem:")
	list := d.Root().Object("components").Object("schemas").Object("Problem").Object("properties").Object("type").Text("description")
	if !strings.Contains(list, itoa(r.status)+":") || !strings.Contains(list, "`"+name+"`") {
		t.Errorf("the document does not list the problem %s", name)
	}
}

// addressOf returns a path of an operation, with the document's examples.
func addressOf(op *contract.Operation, id string) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Spec.Text("example"))
		}
	}
	if strings.Contains(op.Path, "/webhooks/{id}") {
		path = strings.Replace(path, "wh_01jd9v7q6w3k8m5n2p4r6t8v0x", id, 1)
	}
	return path
}

// bodyOf returns the document's own example of an operation's body.
func bodyOf(t *testing.T, op *contract.Operation) string {
	t.Helper()
	if op.Body == nil {
		return ""
	}
	example := op.Body.Spec.Object("example")
	if example == nil {
		t.Fatalf("%s: the body has no example", op.ID)
	}
	text, err := example.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryOperationOfTheDocument(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, op := range s.document.Operations() {
		c := call{method: op.Method, path: addressOf(op, s.exemplify(t, op)), body: bodyOf(t, op)}
		if len(op.Security) == 0 {
			c.token = "-"
			s.do(t, c).want(t, http.StatusOK)
			continue
		}
		c.token = "-"
		s.do(t, c).problem(t, http.StatusUnauthorized)
		c.token = ""
		if slices.Contains(op.Security, "zapierKey") {
			c.token, c.header = "-", map[string]string{"X-DIALNOTE-API-KEY": s.zapierKey(t, "acme")}
		}
		if op.Streams() {
			c.method = http.MethodHead // its answer has no end
		}
		r := s.do(t, c)
		if r.status >= http.StatusMultipleChoices {
			t.Errorf("%s: the document's own example answers %d: %s", op.ID, r.status, r.text)
		}
		if p := operationAt(s.document, op.Method, c.path); p != op {
			t.Errorf("%s: the address is also another operation's", op.ID)
		}
	}
}

func TestTheDocumentIsComplete(t *testing.T) {
	t.Parallel()
	d := load(t)
	seen := map[string]bool{}
	for _, op := range d.Operations() {
		if op.ID == "" || seen[op.ID] || op.Tag == "" || op.Spec.Text("summary") == "" {
			t.Errorf("%s %s: operationId, tag or summary missing or repeated", op.Method, op.Path)
		}
		seen[op.ID] = true
		if planned := strings.Contains(op.Spec.Text("description"), "Not available yet: answers 501."); planned != op.Promises("501") {
			t.Errorf("%s: the description and the answers disagree on whether it is built", op.ID)
		}
		if op.Body != nil && (op.Body.MaxBytes == 0 || op.Body.Spec.Bool("additionalProperties") || !op.Body.Spec.Has("additionalProperties")) {
			t.Errorf("%s: the body has no limit, or allows unknown fields", op.ID)
		}
		for _, p := range op.Parameters {
			if p.Spec.Text("description") == "" || p.In == "path" && p.Spec.Text("example") == "" {
				t.Errorf("%s: parameter %s has no description or example", op.ID, p.Name)
			}
		}
	}
	schemas := d.Root().Object("components").Object("schemas")
	for _, name := range schemas.Keys() {
		if schemas.Object(name).Text("description") == "" {
			t.Errorf("schema %s has no description", name)
		}
		properties := schemas.Object(name).Object("properties")
		for _, property := range properties.Keys() {
			if d.Resolve(properties.Get(property)).Text("description") == "" {
				t.Errorf("schema %s: %s has no description", name, property)
			}
		}
	}
}
