package contract

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// Streams reports whether the operation's answer is a stream that stays open.
func (o *Operation) Streams() bool {
	for _, r := range o.Responses {
		if r.Type == eventStream {
			return true
		}
	}
	return false
}

// readEvents returns the schemas of a stream's events by the events' names. The
// document keeps them in x-events: OpenAPI 3.1 has no place for them.
func (d *Document) readEvents(media *Object, at string) (map[string]*jsonschema.Schema, error) {
	events := media.Object("x-events")
	schemas := make(map[string]*jsonschema.Schema, len(events.Keys()))
	for _, name := range events.Keys() {
		s, err := d.compile(at + "/x-events/" + escapeToken(name))
		if err != nil {
			return nil, err
		}
		schemas[name] = s
	}
	return schemas, nil
}

// CheckEvent returns an error unless a stream may send an event of this name with
// this data. It is for tests, as CheckBody is.
func (r Response) CheckEvent(name string, data []byte) error {
	schema := r.events[name]
	if schema == nil {
		return fmt.Errorf("the document has no event %q", name)
	}
	value, _, err := parseText(data)
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("event %s does not match the document: %w", name, err)
	}
	return nil
}
