package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dialnote/webhooks/pkg/fault"
)

// CheckParameters checks a request's path, query and header parameters. path
// returns a path parameter by its name. A wrong path is a NotFound, since
// nothing can be there; anything else is Malformed and names each parameter.
func (o *Operation) CheckParameters(r *http.Request, path func(name string) string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Malformed, "invalid-parameter", "The query of the URL cannot be read.").Because(err)
	}
	var wrong []fault.Field
	for _, p := range o.Parameters {
		switch p.In {
		case "path":
			if p.check([]string{path(p.Name)}) != "" {
				return fault.Newf(fault.NotFound, "not-found", "There is nothing at this address: %s is not possible there.", p.Name)
			}
		case "query":
			wrong = p.append(wrong, query[p.Name])
		case "header":
			wrong = p.append(wrong, r.Header.Values(p.Name))
		}
	}
	wrong = append(wrong, o.unknown(query)...)
	if len(wrong) == 0 {
		return nil
	}
	return InvalidParameters(wrong...)
}

// InvalidParameters returns the error of parameters or headers that are wrong;
// each field's pointer is the parameter's name.
func InvalidParameters(wrong ...fault.Field) *fault.Error {
	e := fault.InvalidFields(wrong...)
	e.Kind, e.Code = fault.Malformed, "invalid-parameter"
	return e
}

// unknown returns the query parameters that the operation does not have.
func (o *Operation) unknown(query url.Values) []fault.Field {
	var wrong []fault.Field
	for name := range query {
		if !slices.ContainsFunc(o.Parameters, func(p Parameter) bool { return p.In == "query" && p.Name == name }) {
			wrong = append(wrong, fault.Field{Pointer: name, Detail: shown(name) + " is not a parameter of this operation."})
		}
	}
	slices.SortFunc(wrong, func(a, b fault.Field) int { return strings.Compare(a.Pointer, b.Pointer) })
	return wrong
}

func (p Parameter) append(wrong []fault.Field, values []string) []fault.Field {
	if detail := p.check(values); detail != "" {
		return append(wrong, fault.Field{Pointer: p.Name, Detail: p.Name + " " + detail})
	}
	return wrong
}

// check returns what is wrong with a parameter's values, "" for nothing.
func (p Parameter) check(values []string) string {
	switch {
	case len(values) == 0 && p.Required:
		return "is required."
	case len(values) == 0:
		return ""
	case len(values) > 1:
		return "is given twice. Give it once."
	case p.pattern != nil && p.pattern.MatchString(values[0]):
		return ""
	}
	var value any = values[0]
	if p.SchemaSpec.Text("type") == "integer" {
		n, err := strconv.ParseInt(values[0], 10, 32)
		if err != nil {
			return "must be a whole number."
		}
		value = n
	}
	err := p.schema.Validate(value)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return "cannot be read."
	}
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return rule(e.ErrorKind)
}

// Decode reads a body that the operation promises to read into a value of its
// generated type. The fields are those that are wrong by the schema; into has
// every other one, so that rules beyond the schema can be checked in the same
// go. The error is a *fault.Error of a body that cannot be read at all, or is no
// object.
func (b *Body) Decode(text []byte, into any) ([]fault.Field, error) {
	value, repeated, err := parseText(text)
	if err != nil {
		return nil, err
	}
	wrong := repeated
	if err := b.schema.Validate(value); err != nil {
		e, ok := errors.AsType[*jsonschema.ValidationError](err)
		if !ok {
			return nil, fmt.Errorf("validate the body: %w", err)
		}
		w := wordsFor(b.Spec)
		wrong = w.sorted(fault.Distinct(slices.Concat(repeated, w.fields(e))))
	}
	o, ok := value.(map[string]any)
	if !ok {
		return nil, fault.InvalidFields(wrong...) // every body's schema wants an object
	}
	return wrong, decodeRest(o, wrong, into)
}

// decodeRest decodes the fields of a body that are not wrong.
func decodeRest(o map[string]any, wrong []fault.Field, into any) error {
	for _, f := range wrong {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		delete(o, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write the checked body: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode the checked body: %w", err)
	}
	return nil
}

// CheckBody returns an error unless a body of this response is what the document
// promises. It is for tests: responses are not checked in production.
func (r Response) CheckBody(text []byte) error {
	value, _, err := parseText(text)
	if err != nil {
		return err
	}
	if err := r.schema.Validate(value); err != nil {
		return fmt.Errorf("answer does not match the document: %w", err)
	}
	return nil
}
