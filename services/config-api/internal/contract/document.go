// Package contract reads the API's OpenAPI document, and checks requests by it.
package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// resource is the name under which the schema compiler knows the document.
const resource = "openapi.json"

// Document is a loaded OpenAPI document. It does not change.
type Document struct {
	root       *Object
	json       []byte
	operations []*Operation
	compiler   *jsonschema.Compiler
}

// Load reads a document from YAML and compiles every schema that requests are
// checked against.
func Load(text []byte) (*Document, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, fmt.Errorf("read the API document: %w", err)
	}
	value, err := fromYAML(&node)
	if err != nil {
		return nil, fmt.Errorf("read the API document: %w", err)
	}
	root, ok := value.(*Object)
	if !ok {
		return nil, fmt.Errorf("read the API document: it is not an object")
	}
	d := &Document{root: root, compiler: jsonschema.NewCompiler()}
	d.compiler.AssertFormat()
	if d.json, err = json.Marshal(served(root)); err != nil {
		return nil, fmt.Errorf("write the API document as JSON: %w", err)
	}
	if err := d.compiler.AddResource(resource, plain(root)); err != nil {
		return nil, fmt.Errorf("give the API document to the schema compiler: %w", err)
	}
	return d, d.readOperations()
}

// generatorPrefix begins the keys of the document that are for the generator of our
// own code.
const generatorPrefix = "x-go-"

// served returns v without what is for our generator only.
func served(v any) any {
	switch v := v.(type) {
	case *Object:
		o := &Object{values: make(map[string]any, len(v.keys))}
		for _, key := range v.keys {
			if !strings.HasPrefix(key, generatorPrefix) {
				o.set(key, served(v.values[key]))
			}
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = served(v[i])
		}
		return list
	}
	return v
}

// JSON returns the document as JSON, as it is served.
func (d *Document) JSON() []byte { return d.json }

// Root returns the document itself.
func (d *Document) Root() *Object { return d.root }

// Operations returns the operations in the document's order.
func (d *Document) Operations() []*Operation { return d.operations }

// Resolve follows references: it returns the object that v is or refers to,
// nil when it is neither.
func (d *Document) Resolve(v any) *Object {
	o, _ := d.resolve(v, "")
	return o
}

// resolve is Resolve that also returns where the object stands, given where v
// does.
func (d *Document) resolve(v any, at string) (*Object, string) {
	o, _ := v.(*Object)
	for {
		ref, ok := o.Get("$ref").(string)
		if !ok {
			return o, at
		}
		at = strings.TrimPrefix(ref, "#")
		o = d.at(at)
	}
}

// at returns the object at a JSON pointer, nil when there is none.
func (d *Document) at(pointer string) *Object {
	o := d.root
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		o = o.Object(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
	}
	return o
}

// compile returns the schema at a JSON pointer.
func (d *Document) compile(pointer string) (*jsonschema.Schema, error) {
	tokens := strings.Split(pointer, "/")
	for i, token := range tokens {
		tokens[i] = url.PathEscape(token)
	}
	s, err := d.compiler.Compile(resource + "#" + strings.Join(tokens, "/"))
	if err != nil {
		return nil, fmt.Errorf("compile the schema at %s: %w", pointer, err)
	}
	return s, nil
}

func (d *Document) readOperations() error {
	paths := d.root.Object("paths")
	for _, path := range paths.Keys() {
		item := paths.Object(path)
		for _, method := range item.Keys() {
			if !isMethod(method) {
				continue
			}
			op, err := d.readOperation(path, method, item)
			if err != nil {
				return fmt.Errorf("read %s %s: %w", strings.ToUpper(method), path, err)
			}
			d.operations = append(d.operations, op)
		}
	}
	return nil
}

func isMethod(key string) bool {
	switch strings.ToUpper(key) {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

func escapeToken(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}
