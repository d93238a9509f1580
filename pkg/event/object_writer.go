package event

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// largestInteger is the largest number below which every whole number is
// exact in every JSON reader.
const largestInteger = 1<<53 - 1

// object writes the text of a data object. A field that is not set
// is left out; a field that cannot be written is added to the envelope's wrong
// ones.
type object struct {
	envelope *envelope
	text     []byte
}

func (o *object) key(key string) {
	if len(o.text) > 1 {
		o.text = append(o.text, ',')
	}
	o.text = append(appendText(o.text, key), ':')
}

// string writes a required text; "" is not set.
func (o *object) string(key, value string) {
	if value != "" {
		o.key(key)
		o.text = appendText(o.text, value)
	}
}

func (o *object) optional(key string, value *string) {
	if value != nil {
		o.key(key)
		o.text = appendText(o.text, *value)
	}
}

func (o *object) strings(key string, values []string) {
	if len(values) == 0 {
		return
	}
	o.key(key)
	separator := byte('[')
	for _, value := range values {
		o.text = appendText(append(o.text, separator), value)
		separator = ','
	}
	o.text = append(o.text, ']')
}

func (o *object) integer(key string, value int64) {
	if value > largestInteger || value < -largestInteger {
		o.envelope.add("/data/"+key, fmt.Sprintf("data.%s must be within 2^53 - 1.", key))
		value = 0 // so that it is not refused twice
	}
	o.key(key)
	o.text = strconv.AppendInt(o.text, value, 10)
}

func (o *object) time(key string, at *timestamppb.Timestamp) {
	if at == nil {
		return
	}
	text, ok := timeText(at)
	if !ok {
		o.envelope.add("/data/"+key, fmt.Sprintf("data.%s must be a time in the years 1 to 9999.", key))
		text = "1970-01-01T00:00:00Z" // so that it is not refused twice
	}
	o.key(key)
	o.text = appendText(o.text, text)
}

// extra writes the members of a further object, given as its text.
func (o *object) extra(text *string) {
	if text == nil {
		return
	}
	p := newParser([]byte(*text), MaxDataDepth)
	if err := p.document(); err != nil {
		o.envelope.add("/data", fmt.Sprintf("extra_json must be the text of a JSON object: %s.", err))
		return
	}
	if p.out[0] != '{' {
		o.envelope.add("/data", "extra_json must be the text of a JSON object.")
		return
	}
	var given []string
	for key := range members(append(slices.Clone(o.text), '}')) {
		given = append(given, string(key))
	}
	for key, value := range members(p.out) {
		if slices.Contains(given, string(key)) {
			o.envelope.add("/data/"+token(key), fmt.Sprintf("extra_json may not repeat the key %q: a field of the message gives it.", unquoted(key)))
			continue
		}
		if len(o.text) > 1 {
			o.text = append(o.text, ',')
		}
		o.text = append(append(append(o.text, '"'), key...), '"', ':')
		o.text = append(o.text, value...)
	}
}
