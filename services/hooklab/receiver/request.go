package receiver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// Request is one recorded request.
type Request struct {
	Number uint64    `json:"number"` // 1 for the first that this receiver recorded
	Nth    uint64    `json:"nth"`    // how many came to the same path before it
	At     time.Time `json:"at"`     // when its header had been read
	Method string    `json:"method"`
	URI    string    `json:"uri"`  // the request target, with its query
	Path   string    `json:"path"` // the URI without the query
	Proto  string    `json:"proto"`
	Remote string    `json:"remote"`
	TLS    bool      `json:"tls"`

	// Wire is the header as it came, from the request line to the empty line:
	// names in the sender's order and case. It is "" over HTTP/2, where names
	// are lower case by protocol.
	Wire   string      `json:"wire,omitempty"`
	Header http.Header `json:"header"`

	// Body is the body, cut at Options.BodyLimit; BodySize is its whole length.
	Body     Text  `json:"body"`
	BodySize int64 `json:"bodySize"`

	EventType  string `json:"eventType,omitempty"`  // X-DialNote-Event
	EventID    string `json:"eventId,omitempty"`    // webhook-id
	DeliveryID string `json:"deliveryId,omitempty"` // X-DialNote-Delivery

	// Attempt counts the requests of this delivery, 1 for the first. It is 0
	// when the request names no delivery.
	Attempt int `json:"attempt"`

	DialNote Verdict `json:"dialNote"` // of X-DialNote-Signature
	Standard Verdict `json:"standard"` // of webhook-signature

	// Status is the status that is about to be answered, 0 when the connection
	// ends without one.
	Status int `json:"status"`
}

// WireNames returns the header names in the order and case of the wire, nil
// when Wire is not known.
func (r Request) WireNames() []string { return wireNames(r.Wire) }

// Text is bytes that are shown in JSON as a string, or as base64 after
// "base64:" when they are not UTF-8.
type Text []byte

// MarshalJSON returns the text as a JSON string.
func (t Text) MarshalJSON() ([]byte, error) {
	text := string(t)
	if !utf8.Valid(t) {
		text = "base64:" + base64.StdEncoding.EncodeToString(t)
	}
	encoded, err := json.Marshal(text)
	if err != nil {
		return nil, fmt.Errorf("encode text: %w", err)
	}
	return encoded, nil
}
