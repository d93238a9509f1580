package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Object is a JSON object that keeps the order of its keys, as the document
// has them.
type Object struct {
	keys   []string
	values map[string]any
}

// Keys returns the keys in the document's order.
func (o *Object) Keys() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// Get returns the value of a key: an *Object, []any, string, int64, float64,
// bool or nil. It is nil when there is none, also on a nil Object.
func (o *Object) Get(key string) any {
	if o == nil {
		return nil
	}
	return o.values[key]
}

// Has reports whether there is such a key.
func (o *Object) Has(key string) bool {
	if o == nil {
		return false
	}
	_, ok := o.values[key]
	return ok
}

// Object returns the value of a key that is an object, nil otherwise.
func (o *Object) Object(key string) *Object {
	v, _ := o.Get(key).(*Object)
	return v
}

// Text returns the value of a key that is a string, "" otherwise.
func (o *Object) Text(key string) string {
	v, _ := o.Get(key).(string)
	return v
}

// List returns the value of a key that is an array, nil otherwise.
func (o *Object) List(key string) []any {
	v, _ := o.Get(key).([]any)
	return v
}

// Bool returns the value of a key that is a boolean, false otherwise.
func (o *Object) Bool(key string) bool {
	v, _ := o.Get(key).(bool)
	return v
}

// Int returns the value of a key that is an integer, 0 otherwise.
func (o *Object) Int(key string) int64 {
	v, _ := o.Get(key).(int64)
	return v
}

func (o *Object) set(key string, value any) {
	if !o.Has(key) {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// MarshalJSON writes the object in the document's order.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(key); err != nil {
			return nil, fmt.Errorf("write key %q: %w", key, err)
		}
		b.WriteByte(':')
		if err := enc.Encode(o.values[key]); err != nil {
			return nil, fmt.Errorf("write value of %q: %w", key, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plain returns v with its objects as maps, for the schema compiler.
func plain(v any) any {
	switch v := v.(type) {
	case *Object:
		m := make(map[string]any, len(v.keys))
		for key, value := range v.values {
			m[key] = plain(value)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, value := range v {
			l[i] = plain(value)
		}
		return l
	default:
		return v
	}
}

// fromYAML returns a YAML node as a JSON value, with aliases and merge keys
// resolved.
func fromYAML(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return fromYAML(n.Content[0])
	case yaml.AliasNode:
		return fromYAML(n.Alias)
	case yaml.MappingNode:
		return objectFromYAML(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := fromYAML(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	default:
		return scalarFromYAML(n)
	}
}

func objectFromYAML(n *yaml.Node) (any, error) {
	o := &Object{values: map[string]any{}}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		v, err := fromYAML(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if n.Content[i].Tag == "!!merge" {
			merged, ok := v.(*Object)
			if !ok {
				return nil, fmt.Errorf("line %d: what is merged is not a mapping", n.Line)
			}
			for _, key := range merged.keys {
				o.set(key, merged.values[key])
			}
			continue
		}
		o.set(key, v)
	}
	return o, nil
}

func scalarFromYAML(n *yaml.Node) (any, error) {
	var err error
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		var v bool
		err = n.Decode(&v)
		return v, wrapLine(n, err)
	case "!!int":
		var v int64
		err = n.Decode(&v)
		return v, wrapLine(n, err)
	case "!!float":
		var v float64
		err = n.Decode(&v)
		return v, wrapLine(n, err)
	default:
		return strings.TrimRight(n.Value, "\n"), nil
	}
}

func wrapLine(n *yaml.Node, err error) error {
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return nil
}
