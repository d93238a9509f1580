package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// deepest bounds the examples that are made from schemas.
const deepest = 6

func (w writer) schemas() []schema {
	specs := w.d.Root().Object("components").Object("schemas")
	var list []schema
	for _, name := range specs.Keys() {
		list = append(list, w.schema(name, specs.Object(name)))
	}
	return list
}

func (w writer) schema(name string, spec *contract.Object) schema {
	s := schema{Name: name, Description: spec.Text("description"), Rules: rules(spec), Example: pretty(example(w, spec, 0))}
	required := spec.List("required")
	properties := spec.Object("properties")
	for _, key := range properties.Keys() {
		s.Fields = append(s.Fields, w.field(key, properties.Get(key), slices.Contains(required, any(key))))
	}
	return s
}

func (w writer) field(name string, spec any, required bool) field {
	resolved := w.d.Resolve(spec)
	f := field{
		Name: name, Required: required, SchemaName: nameOf(spec),
		Type: typeOf(resolved), Rules: rules(resolved), Description: resolved.Text("description"),
	}
	if resolved.Has("default") {
		f.Default = text(resolved.Get("default"))
	}
	if f.SchemaName == "" {
		f.SchemaName = nameOf(resolved.Get("items"))
	}
	return f
}

// nameOf returns the name of a component that v refers to, "" when it does not.
func nameOf(v any) string {
	o, _ := v.(*contract.Object)
	name, _ := strings.CutPrefix(o.Text("$ref"), "#/components/schemas/")
	return name
}

func typeOf(spec *contract.Object) string {
	if list := spec.List("type"); list != nil {
		names := make([]string, 0, len(list))
		for _, t := range list {
			names = append(names, text(t))
		}
		return strings.Join(names, " or ")
	}
	t := spec.Text("type")
	if f := spec.Text("format"); f != "" && t == "string" {
		return t + ", " + f
	}
	return t
}

// rules returns a schema's limits in a few words.
func rules(spec *contract.Object) string {
	var list []string
	if values := spec.List("enum"); values != nil {
		names := make([]string, 0, len(values))
		for _, v := range values {
			names = append(names, text(v))
		}
		list = append(list, "one of "+strings.Join(names, ", "))
	}
	for _, rule := range []struct{ key, words string }{
		{"minimum", "at least %v"},
		{"maximum", "at most %v"},
		{"minLength", "at least %v characters"},
		{"maxLength", "at most %v characters"},
		{"minItems", "at least %v entries"},
		{"pattern", "matches %v"},
	} {
		if spec.Has(rule.key) {
			list = append(list, fmt.Sprintf(rule.words, spec.Get(rule.key)))
		}
	}
	return strings.Join(list, "; ")
}

// example returns an example of a schema: its own, or one made of its parts'.
func example(w writer, spec *contract.Object, depth int) any {
	switch {
	case spec == nil || depth > deepest:
		return nil
	case spec.Has("example"):
		return spec.Get("example")
	case spec.Has("items"):
		return []any{example(w, w.d.Resolve(spec.Get("items")), depth+1)}
	case spec.Has("properties"):
		return ordered{w: w, properties: spec.Object("properties"), depth: depth}
	case spec.Has("enum"):
		return spec.List("enum")[0]
	case typeOf(spec) == "object":
		return map[string]any{}
	default:
		return nil
	}
}

// ordered writes an object's example with the keys in the document's order.
type ordered struct {
	w          writer
	properties *contract.Object
	depth      int
}

// MarshalJSON writes the example.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.properties.Keys() {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, fmt.Errorf("write key %q: %w", key, err)
		}
		value, err := json.Marshal(example(o.w, o.w.d.Resolve(o.properties.Get(key)), o.depth+1))
		if err != nil {
			return nil, fmt.Errorf("write example of %q: %w", key, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// pretty returns v as indented JSON, "" for nil.
func pretty(v any) string {
	if v == nil {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "" // values of a document that was loaded can be written
	}
	return strings.TrimSpace(b.String())
}

// text returns a value of the document as a reader would write it.
func text(v any) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}
