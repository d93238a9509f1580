package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/fault"
)

// parseText reads a JSON text strictly: one value and nothing after it, in
// valid UTF-8, without half surrogates. Keys given twice come back as wrong
// fields, since two readers could understand them differently.
//
// Objects are maps, arrays slices, and numbers float64: one beyond its range
// is its greatest, because a schema would otherwise spend minutes on 1e999999.
func parseText(text []byte) (any, []fault.Field, error) {
	if at := invalidUTF8(text); at >= 0 {
		return nil, nil, malformed("The body is not valid UTF-8, at byte %d.", at)
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, nil, syntaxFault(text, err)
	}
	if at := halfSurrogate(text); at >= 0 {
		return nil, nil, malformed("The body holds half of a surrogate pair, at byte %d. Send the character itself.", at)
	}
	r := &textReader{d: json.NewDecoder(bytes.NewReader(text))}
	r.d.UseNumber()
	v, err := r.value("")
	if err != nil {
		return nil, nil, syntaxFault(text, err)
	}
	return v, r.repeated, nil
}

func malformed(format string, args ...any) *fault.Error {
	return fault.Newf(fault.Malformed, "malformed-json", format, args...)
}

func syntaxFault(text []byte, err error) *fault.Error {
	if len(bytes.TrimSpace(text)) == 0 {
		return malformed("The body is empty. Send a JSON object.")
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok && e.Offset < int64(len(text)) {
		return malformed("The body is not valid JSON, near byte %d.", e.Offset).Because(err)
	}
	return malformed("The body is not valid JSON: it ends too early.").Because(err)
}

// invalidUTF8 returns where text stops being valid UTF-8, -1 when it does not.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// halfSurrogate returns where a valid JSON text has an escape of a surrogate
// without its other half, -1 when it has none. encoding/json would replace it
// in silence.
func halfSurrogate(text []byte) int {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit := escapedUnit(text[i:])
		switch {
		case unit < 0:
			i++ // skip the escaped character, which may be a backslash
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return i
		case unit >= 0xD800 && unit <= 0xDBFF:
			if low := escapedUnit(text[i+6:]); low < 0xDC00 || low > 0xDFFF {
				return i
			}
			i += 11
		default:
			i += 5
		}
	}
	return -1
}

// escapedUnit returns the code unit of the \u escape that text begins with, -1
// when it begins otherwise.
func escapedUnit(text []byte) int64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseInt(string(text[2:6]), 16, 32)
	if err != nil {
		return -1
	}
	return unit
}

type textReader struct {
	d        *json.Decoder
	repeated []fault.Field
}

func (r *textReader) value(pointer string) (any, error) {
	token, err := r.d.Token()
	if err != nil {
		return nil, fmt.Errorf("read value at %q: %w", pointer, err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return r.object(pointer)
		}
		return r.array(pointer)
	case json.Number:
		f, _ := strconv.ParseFloat(token.String(), 64) // ±Inf when out of range
		return math.Max(-math.MaxFloat64, math.Min(f, math.MaxFloat64)), nil
	default:
		return token, nil
	}
}

func (r *textReader) object(pointer string) (any, error) {
	o := map[string]any{}
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return nil, fmt.Errorf("read key in %q: %w", pointer, err)
		}
		key, _ := token.(string)
		at := pointer + "/" + escapeToken(key)
		v, err := r.value(at)
		if err != nil {
			return nil, err
		}
		if _, repeated := o[key]; repeated {
			r.repeated = append(r.repeated, fault.Field{Pointer: at, Detail: shown(key) + " is given twice. Give it once."})
		}
		o[key] = v
	}
	_, err := r.d.Token()
	return o, err //nolint:wrapcheck // the closing brace of a text known to be valid
}

func (r *textReader) array(pointer string) (any, error) {
	l := []any{}
	for r.d.More() {
		v, err := r.value(pointer + "/" + strconv.Itoa(len(l)))
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
	_, err := r.d.Token()
	return l, err //nolint:wrapcheck // the closing bracket of a text known to be valid
}
