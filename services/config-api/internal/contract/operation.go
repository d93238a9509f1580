package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Operation is one method of one path.
type Operation struct {
	ID         string
	Method     string // in capitals
	Path       string // as in the document, with {braces}
	Tag        string
	Spec       *Object
	Parameters []Parameter
	Body       *Body // nil when the operation reads none
	Responses  []Response

	// Security are the names of the security schemes, any of which opens the
	// operation. An operation without any is open.
	Security []string
}

// Route returns the path as echo writes it.
func (o *Operation) Route() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(o.Path)
}

// Promises reports whether the document has an answer with this status.
func (o *Operation) Promises(status string) bool {
	return slices.ContainsFunc(o.Responses, func(r Response) bool { return r.Status == status })
}

// Parameter is one parameter of an operation.
type Parameter struct {
	Name       string
	In         string // path, query or header
	Required   bool
	Spec       *Object
	SchemaSpec *Object
	schema     *jsonschema.Schema
	pattern    *regexp.Regexp // all that the schema asks of a text, nil when it asks for more
}

// Body is what an operation reads.
type Body struct {
	Required bool
	MaxBytes int64
	Types    []string // the content types, in the document's order
	Spec     *Object  // of the schema
	schema   *jsonschema.Schema
}

// Response is one promised answer.
type Response struct {
	Status  string
	Spec    *Object
	Type    string // the content type, "" without a body
	Headers *Object
	schema  *jsonschema.Schema // of the body, nil without one
	events  map[string]*jsonschema.Schema
}

func (d *Document) readOperation(path, method string, item *Object) (*Operation, error) {
	at := "/paths/" + escapeToken(path) + "/" + method
	spec := item.Object(method)
	op := &Operation{
		ID: spec.Text("operationId"), Method: strings.ToUpper(method), Path: path,
		Spec: spec, Security: d.securityOf(spec),
	}
	if tags := spec.List("tags"); len(tags) > 0 {
		op.Tag, _ = tags[0].(string)
	}
	shared, err := d.readParameters(item.List("parameters"), "/paths/"+escapeToken(path)+"/parameters")
	if err != nil {
		return nil, err
	}
	own, err := d.readParameters(spec.List("parameters"), at+"/parameters")
	if err != nil {
		return nil, err
	}
	op.Parameters = slices.Concat(shared, own)
	if op.Body, err = d.readBody(spec.Object("requestBody"), at+"/requestBody"); err != nil {
		return nil, err
	}
	responses := spec.Object("responses")
	for _, status := range responses.Keys() {
		r, err := d.readResponse(status, responses.Get(status), at+"/responses/"+status)
		if err != nil {
			return nil, err
		}
		op.Responses = append(op.Responses, r)
	}
	return op, nil
}

// securityOf returns the schemes of an operation: its own list, or the
// document's.
func (d *Document) securityOf(spec *Object) []string {
	list := d.root.List("security")
	if spec.Has("security") {
		list = spec.List("security")
	}
	var names []string
	for _, alternative := range list {
		o, _ := alternative.(*Object)
		names = append(names, o.Keys()...)
	}
	return names
}

// readParameters reads the parameters listed at a pointer.
func (d *Document) readParameters(list []any, at string) ([]Parameter, error) {
	ps := make([]Parameter, 0, len(list))
	for i, item := range list {
		spec, pointer := d.resolve(item, at+"/"+strconv.Itoa(i))
		schema, err := d.compile(pointer + "/schema")
		if err != nil {
			return nil, err
		}
		p := Parameter{
			Name: spec.Text("name"), In: spec.Text("in"), Required: spec.Bool("required"),
			Spec: spec, SchemaSpec: d.Resolve(spec.Get("schema")), schema: schema,
		}
		if p.pattern, err = onlyPattern(p.SchemaSpec); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// onlyPattern returns the pattern of a schema that asks for nothing but a text
// of this pattern, as those of ids do, and nil for any other. To match it is a
// small part of what a validation costs, and every path has such parameters.
func onlyPattern(schema *Object) (*regexp.Regexp, error) {
	if !schema.Has("pattern") || schema.Text("type") != "string" {
		return nil, nil
	}
	for _, key := range schema.Keys() {
		if !slices.Contains([]string{"type", "pattern", "title", "description", "example", "examples"}, key) {
			return nil, nil
		}
	}
	pattern, err := regexp.Compile(schema.Text("pattern"))
	if err != nil {
		return nil, fmt.Errorf("compile its pattern: %w", err)
	}
	return pattern, nil
}

func (d *Document) readBody(spec *Object, at string) (*Body, error) {
	if spec == nil {
		return nil, nil
	}
	content := spec.Object("content")
	b := &Body{Required: spec.Bool("required"), MaxBytes: spec.Int("x-max-bytes"), Types: content.Keys()}
	first := b.Types[0]
	var pointer string
	b.Spec, pointer = d.resolve(content.Object(first).Get("schema"), at+"/content/"+escapeToken(first)+"/schema")
	var err error
	b.schema, err = d.compile(pointer)
	return b, err
}

func (d *Document) readResponse(status string, v any, at string) (Response, error) {
	spec, at := d.resolve(v, at)
	r := Response{Status: status, Spec: spec, Headers: spec.Object("headers")}
	content := spec.Object("content")
	if content == nil {
		return r, nil
	}
	r.Type = content.Keys()[0]
	var err error
	at += "/content/" + escapeToken(r.Type)
	if r.schema, err = d.compile(at + "/schema"); err != nil {
		return r, err
	}
	r.events, err = d.readEvents(content.Object(r.Type), at)
	return r, err
}
