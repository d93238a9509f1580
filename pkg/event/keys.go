package event

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// checkKeys refuses, at every depth, the keys that common receivers refuse
// because they can change the prototype of a JavaScript object: __proto__, and
// constructor when it has a prototype.
func (e *envelope) checkKeys() {
	if !bytes.Contains(e.data, []byte("proto")) {
		return // so are most: a search that begins with a quote stops at every string
	}
	if bytes.Contains(e.data, []byte(`"__proto__":`)) || bytes.Contains(e.data, []byte(`"prototype":`)) {
		e.checkKeysOf(e.data, "/data")
	}
}

func (e *envelope) checkKeysOf(value []byte, pointer string) {
	switch value[0] {
	case '{':
		for key, child := range members(value) {
			at := pointer + "/" + token(key)
			switch string(key) {
			case "__proto__":
				e.add(at, "The key __proto__ is not allowed: rename it. Many receivers refuse it.")
			case "constructor":
				if has(child, "prototype") {
					e.add(at, "The key constructor may not hold a key prototype: rename it. Many receivers refuse it.")
				}
			}
			e.checkKeysOf(child, at)
		}
	case '[':
		for i, child := range elements(value) {
			e.checkKeysOf(child, pointer+"/"+strconv.Itoa(i))
		}
	}
}

// has reports whether value is an object with a key.
func has(value []byte, wanted string) bool {
	if value[0] != '{' {
		return false
	}
	for key := range members(value) {
		if string(key) == wanted {
			return true
		}
	}
	return false
}

// members returns the keys, as they stand between their quotes, and values of
// an object's canonical text.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		rest := object[1:]
		for rest[0] == '"' {
			k := valueEnd(rest)
			v := k + 1 + valueEnd(rest[k+1:])
			if !yield(rest[1:k-1], rest[k+1:v]) || rest[v] == '}' {
				return
			}
			rest = rest[v+1:]
		}
	}
}

// elements returns the places and values of an array's canonical text.
func elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(i int, value []byte) bool) {
		rest := array[1:]
		for i := 0; rest[0] != ']'; i++ {
			v := valueEnd(rest)
			if !yield(i, rest[:v]) || rest[v] == ']' {
				return
			}
			rest = rest[v+1:]
		}
	}
}

// valueEnd returns the length of the value that canonical text begins with.
func valueEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of what the value is in
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// stringEnd returns the length of the string that text begins with.
func stringEnd(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// token returns a key, as it stands between its quotes, as a token of a JSON
// pointer (RFC 6901).
func token(key []byte) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(unquoted(key))
}

// unquoted returns what a key stands for, cut to a length that can be shown. A
// lone surrogate is shown as U+FFFD.
func unquoted(key []byte) string {
	text := string(key)
	if bytes.IndexByte(key, '\\') >= 0 {
		// Canonical text is always a valid string; were it not, it is shown raw.
		_ = json.Unmarshal([]byte(`"`+text+`"`), &text)
	}
	const shown = 100
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return text
}
