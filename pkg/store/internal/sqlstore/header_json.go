package sqlstore

import (
	"encoding/json"
	"slices"
)

// headerJSON returns what json.Marshal does for h, byte for byte, with one
// allocation for a header of common size: every attempt has one.
func headerJSON(h map[string][]string) JSON {
	var short [1 << 10]byte
	return JSON(appendHeader(short[:0], h))
}

func appendHeader(b []byte, h map[string][]string) []byte {
	if h == nil {
		return append(b, "null"...)
	}
	var few [32]string
	names := few[:0]
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		b = appendTexts(b, h[name])
	}
	return append(b, '}')
}

func appendTexts(b []byte, texts []string) []byte {
	if texts == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, text)
	}
	return append(b, ']')
}

// appendText leaves to json.Marshal what is not printable ASCII, and what it
// escapes for HTML.
func appendText(b []byte, text string) []byte {
	begin, from := len(b), 0
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(append(b, text[from:i]...), '\\')
			from = i
		case c < ' ' || c > '~' || c == '<' || c == '>' || c == '&':
			whole, _ := json.Marshal(text) // it does not fail for texts
			return append(b[:begin], whole...)
		}
	}
	return append(append(b, text[from:]...), '"')
}
