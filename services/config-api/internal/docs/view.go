package docs

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// view is what the page shows.
type view struct {
	Title, Version, Summary, Description string
	Groups                               []group
	Security                             []scheme
	Schemas                              []schema
}

type group struct {
	Name, Description string
	Operations        []operation
}

type operation struct {
	ID, Method, Path, Summary, Description string
	Planned                                bool // promised, and answers 501
	Security                               []string
	Parameters                             []field
	Body                                   *body
	Responses                              []response
	Curl                                   string
}

type body struct {
	Required    bool
	Description string
	Types       []string
	Schema      schema
	Example     string
}

type response struct {
	Status, Title, Description, Type, Example string
	Failed                                    bool
	Headers                                   []field
	SchemaName                                string
}

type scheme struct{ Name, How, Description string }

// schema is a named schema with its fields.
type schema struct {
	Name, Description, Rules string
	Fields                   []field
	Example                  string
}

// field is a property, a parameter or a header.
type field struct {
	Name, In, Type, Rules, Description, Default, Example string
	Required                                             bool
	SchemaName                                           string
}

// writer makes the view of one document.
type writer struct{ d *contract.Document }

func viewOf(d *contract.Document) view {
	w := writer{d: d}
	info := d.Root().Object("info")
	v := view{
		Title: info.Text("title"), Version: info.Text("version"),
		Summary: info.Text("summary"), Description: info.Text("description"),
		Security: w.security(), Schemas: w.schemas(),
	}
	for _, item := range d.Root().List("tags") {
		tag, _ := item.(*contract.Object)
		g := group{Name: tag.Text("name"), Description: tag.Text("description")}
		for _, op := range d.Operations() {
			if op.Tag == g.Name {
				g.Operations = append(g.Operations, w.operation(op))
			}
		}
		v.Groups = append(v.Groups, g)
	}
	return v
}

func (w writer) operation(op *contract.Operation) operation {
	view := operation{
		ID: op.ID, Method: op.Method, Path: op.Path, Security: op.Security,
		Summary: op.Spec.Text("summary"), Description: op.Spec.Text("description"),
		Planned: op.Promises(strconv.Itoa(http.StatusNotImplemented)),
		Curl:    w.curl(op),
	}
	for _, p := range op.Parameters {
		f := w.field(p.Name, p.Spec.Get("schema"), p.Required)
		f.In, f.Description, f.Example = p.In, p.Spec.Text("description"), text(p.Spec.Get("example"))
		view.Parameters = append(view.Parameters, f)
	}
	if op.Body != nil {
		content := op.Spec.Object("requestBody").Object("content").Object(op.Body.Types[0])
		view.Body = &body{
			Required: op.Body.Required, Types: op.Body.Types,
			Description: op.Spec.Object("requestBody").Text("description"),
			Schema:      w.schema(nameOf(content.Get("schema")), op.Body.Spec),
			Example:     pretty(example(w, op.Body.Spec, 0)),
		}
	}
	for _, r := range op.Responses {
		view.Responses = append(view.Responses, w.response(r))
	}
	return view
}

func (w writer) response(r contract.Response) response {
	status, _ := strconv.Atoi(r.Status)
	view := response{
		Status: r.Status, Title: http.StatusText(status), Type: r.Type,
		Description: r.Spec.Text("description"), Failed: status >= http.StatusBadRequest,
	}
	for _, name := range r.Headers.Keys() {
		spec := w.d.Resolve(r.Headers.Get(name))
		f := w.field(name, spec.Get("schema"), spec.Bool("required"))
		f.Description, f.Example = spec.Text("description"), text(spec.Get("example"))
		view.Headers = append(view.Headers, f)
	}
	if r.Type == "" {
		return view
	}
	media := r.Spec.Object("content").Object(r.Type)
	view.SchemaName = nameOf(media.Get("schema"))
	switch {
	case media.Has("example"):
		view.Example = pretty(media.Get("example"))
	case strings.HasSuffix(r.Type, "json") && r.Status != "500":
		view.Example = pretty(example(w, w.d.Resolve(media.Get("schema")), 0))
	}
	return view
}

func (w writer) security() []scheme {
	specs := w.d.Root().Object("components").Object("securitySchemes")
	var list []scheme
	for _, name := range specs.Keys() {
		spec := specs.Object(name)
		how := "Authorization: Bearer …"
		if spec.Text("type") == "apiKey" {
			how = spec.Text("in") + " " + spec.Text("name")
		}
		list = append(list, scheme{Name: name, How: how, Description: spec.Text("description")})
	}
	return list
}

// curl returns a line that makes the request from a shell.
func (w writer) curl(op *contract.Operation) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", text(p.Spec.Get("example")))
		}
	}
	var b strings.Builder
	b.WriteString("curl ")
	if op.Method != http.MethodGet {
		b.WriteString("-X " + op.Method + " ")
	}
	b.WriteString("http://localhost:8080" + path)
	if len(op.Security) > 0 {
		b.WriteString(" \\\n  -H " + credential(op.Security[0]))
	}
	if op.Body != nil {
		line, _ := json.Marshal(example(w, op.Body.Spec, 0)) // a value of the document can be written
		b.WriteString(" \\\n  -H 'Content-Type: " + op.Body.Types[0] + "' \\\n  -d '" + strings.ReplaceAll(string(line), "'", `'\''`) + "'")
	}
	return b.String()
}

func credential(scheme string) string {
	if scheme == "zapierKey" {
		return `"X-DIALNOTE-API-KEY: $DIALNOTE_KEY"`
	}
	return `"Authorization: Bearer $DIALNOTE_TOKEN"`
}
