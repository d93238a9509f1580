package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/dialnote/webhooks/pkg/fault"
)

// words turns what a schema refused into wrong fields in plain words.
type words struct {
	noun    string            // what the body describes: "a webhook"
	refused map[string]string // why a field that exists cannot be given
	order   []string          // the fields, in the order to report them
}

func wordsFor(spec *Object) words {
	w := words{noun: cmp.Or(spec.Text("x-noun"), "this request"), order: spec.Object("properties").Keys()}
	if refused := spec.Object("x-refused"); refused != nil {
		w.refused = map[string]string{}
		for _, name := range refused.Keys() {
			w.refused[name] = refused.Text(name)
		}
	}
	return w
}

// fields returns the wrong fields of a validation error.
func (w words) fields(err *jsonschema.ValidationError) []fault.Field {
	var all []fault.Field
	w.collect(err, &all)
	return all
}

func (w words) collect(err *jsonschema.ValidationError, into *[]fault.Field) {
	for _, cause := range err.Causes {
		w.collect(cause, into)
	}
	if len(err.Causes) > 0 {
		return
	}
	pointer, name := locate(err.InstanceLocation)
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		for _, missing := range k.Missing {
			*into = append(*into, fault.Field{Pointer: pointer + "/" + escapeToken(missing), Detail: missing + " is required."})
		}
	case *kind.AdditionalProperties:
		for _, extra := range k.Properties {
			*into = append(*into, fault.Field{Pointer: pointer + "/" + escapeToken(extra), Detail: w.unknown(extra)})
		}
	default:
		*into = append(*into, fault.Field{Pointer: pointer, Detail: name + " " + rule(err.ErrorKind)})
	}
}

func (w words) unknown(field string) string {
	if why, ok := w.refused[field]; ok {
		return why
	}
	return fmt.Sprintf("%s is not a field of %s.", shown(field), w.noun)
}

// rule says what a value must be, to follow its name.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return typeRule(k)
	case *kind.Enum:
		return "must be " + oneOf(k.Want) + "."
	case *kind.MinLength:
		if k.Want == 1 {
			return "must not be empty."
		}
		return fmt.Sprintf("is too short: %d characters, at least %d.", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("is too long: %d characters, at most %d.", k.Got, k.Want)
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString() + "."
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString() + "."
	case *kind.Format:
		return formatRule(k.Want)
	case *kind.Pattern:
		return "must match " + k.Want + "."
	default:
		return "is not allowed here."
	}
}

func typeRule(k *kind.Type) string {
	wanted := make([]string, 0, len(k.Want))
	for _, t := range k.Want {
		wanted = append(wanted, article(t))
	}
	if k.Got == "null" {
		return "must not be null: give " + strings.Join(wanted, " or ") + "."
	}
	return "must be " + strings.Join(wanted, " or ") + ", not " + article(k.Got) + "."
}

func article(jsonType string) string {
	switch jsonType {
	case "integer":
		return "a whole number"
	case "array", "object":
		return "an " + jsonType
	case "boolean":
		return "true or false"
	case "null":
		return "null"
	default:
		return "a " + jsonType
	}
}

func formatRule(format string) string {
	if format == "date-time" {
		return "must be a date and time like 2026-11-02T09:30:00Z."
	}
	return "must be a valid " + format + "."
}

func oneOf(values []any) string {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	if len(texts) == 1 {
		return texts[0]
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}

// locate returns the pointer and the name of a place in a body.
func locate(location []string) (pointer, name string) {
	if len(location) == 0 {
		return "", "The body"
	}
	for _, token := range location {
		pointer += "/" + escapeToken(token)
	}
	return pointer, shown(location[len(location)-1])
}

// shown returns a name from a request for use in a sentence: no longer than a
// line, and without characters that do not print.
func shown(name string) string {
	const most = 60
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == '"' }) {
		return strconv.Quote(name)
	}
	return name
}

// sorted orders fields as the schema does, unknown ones last by name, so that
// the same request always gets the same answer.
func (w words) sorted(fields []fault.Field) []fault.Field {
	place := func(f fault.Field) int {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		if i := slices.Index(w.order, name); i >= 0 {
			return i
		}
		return len(w.order)
	}
	slices.SortStableFunc(fields, func(a, b fault.Field) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Pointer, b.Pointer))
	})
	return fields
}
