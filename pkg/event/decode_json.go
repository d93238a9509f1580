package event

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// ParseJSON reads an event that a platform service published as JSON and
// checks every rule of the specification, section 3.
//
// Its errors are *fault.Error: Malformed when text is not JSON, TooLarge above
// MaxTextBytes, Invalid for everything else, and then with a Field for each
// wrong field, whose Pointer begins at the event: "/data/duration".
func ParseJSON(text []byte) (Event, error) {
	e, err := readEnvelope(text)
	if err != nil {
		return Event{}, err
	}
	return e.event()
}

// ParseSubmission is ParseJSON for the HTTP API, where the organization is in
// the URL: organizationId may be left out, else it must be that one. A missing
// id becomes a new one, a missing timestamp becomes now, in milliseconds.
func ParseSubmission(text []byte, organizationID string, now time.Time) (Event, error) {
	e, err := readEnvelope(text)
	if err != nil {
		return Event{}, err
	}
	if e.id == nil {
		e.id = appendText(nil, NewID(now))
	}
	if e.timestamp == nil {
		e.timestamp = appendText(nil, now.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if e.organizationID == nil {
		e.organizationID = appendText(nil, organizationID)
	} else if given, _ := plainText(e.organizationID); string(given) != organizationID {
		e.add("/organizationId", "organizationId must be left out, or be the organization in the URL.")
		e.organizationID = appendText(nil, organizationID)
	}
	return e.event()
}

// readEnvelope reads the event object. Its keys are checked here, because the
// canonical form no longer shows that one was repeated.
func readEnvelope(text []byte) (e envelope, err error) {
	if len(text) > MaxTextBytes {
		return e, tooLarge(len(text))
	}
	p := newParser(text, 1+MaxDataDepth)
	defer p.done()
	p.space()
	if p.peek() != '{' {
		return e, notAnObject(p)
	}
	err = p.enter()
	if err == nil {
		err = p.readMembers()
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return e, unreadable(err)
	}
	for _, m := range p.members {
		e.set(p.keyOf(m), p.out[m.keyEnd+1:m.end:m.end])
	}
	if p.isBody() {
		e.whole = slices.Clip(p.out)
	}
	return e, nil
}

// isBody reports whether the members that were read are those of a body, in its
// order.
func (p *parser) isBody() bool {
	keys := [...]string{"id", "type", "timestamp", "organizationId", "data"}
	if len(p.members) != len(keys) {
		return false
	}
	for i, m := range p.members {
		if string(p.keyOf(m)) != keys[i] {
			return false
		}
	}
	return true
}

// set keeps the value of one key of the event object.
func (e *envelope) set(key, value []byte) {
	var place *[]byte
	switch string(key) {
	case "id":
		place = &e.id
	case "type":
		place = &e.kind
	case "timestamp":
		place = &e.timestamp
	case "organizationId":
		place = &e.organizationID
	case "data":
		place = &e.data
	default:
		e.add("/"+token(key), fmt.Sprintf("The key %q is not known here: remove it, or put it inside data.", unquoted(key)))
		return
	}
	if *place != nil {
		e.add("/"+string(key), fmt.Sprintf("%s is given more than once: keep one.", key))
		return
	}
	*place = value
}

// readData reads the data object alone.
func (e *envelope) readData(text []byte) error {
	if len(text) > MaxTextBytes {
		return tooLarge(len(text))
	}
	p := newParser(text, MaxDataDepth)
	defer p.done()
	if err := p.document(); err != nil {
		return unreadable(err)
	}
	e.data = p.out
	return nil
}

func tooLarge(size int) error {
	return fault.Newf(fault.TooLarge, "event-too-large", "The event must be at most %d bytes; it is %d.", MaxTextBytes, size)
}

func notAnObject(p parser) error {
	if err := p.document(); err != nil {
		return unreadable(err)
	}
	return fault.InvalidFields(fault.Field{Pointer: "", Detail: "The event must be a JSON object."})
}

// unreadable returns the parser's error in the customer's words.
func unreadable(err error) error {
	if errors.Is(err, ErrTooDeep) {
		return fault.InvalidFields(fault.Field{
			Pointer: "/data",
			Detail:  fmt.Sprintf("data must be at most %d levels of objects and arrays deep.", MaxDataDepth),
		})
	}
	return fault.Newf(fault.Malformed, "malformed-json", "The event is not valid JSON: %s.", err)
}
