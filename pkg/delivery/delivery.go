// Package delivery is the delivery: one event for one webhook, its attempts,
// their outcomes, and the decision that follows each of them.
//
// It does no I/O. The clock is an argument and jitter is derived from the
// delivery, so the same input gives the same decision on every replica.
package delivery

import (
	"crypto/sha256"
	"encoding/base32"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// ID returns the id of the delivery of an event to a webhook. It is the same
// on every replica and for every retry. It holds no dot, so it can be a token
// of a NATS subject.
func ID(webhookID, eventID string) string {
	const prefix, hash, letters = "dlv_", 16, 26 // bytes of the hash, and letters that they take
	var names [128]byte                          // on the stack, as long as ids are short
	sum := sha256.Sum256(append(append(append(names[:0], webhookID...), 0), eventID...))
	var id [len(prefix) + (hash+4)/5*8]byte // with padding
	coded := id[copy(id[:], prefix):]
	base32.StdEncoding.Encode(coded, sum[:hash])
	for i := range coded {
		coded[i] |= 'a' - 'A' // small letters; digits have that bit
	}
	return string(id[:len(prefix)+letters])
}

// Delivery is one event for one webhook, with the bytes to be sent.
type Delivery struct {
	ID             string
	WebhookID      string
	OrganizationID string
	EventID        string
	EventType      event.Type
	EventSequence  uint64    // where the event is kept in the event stream
	EventStored    time.Time // when the event was accepted
	Body           []byte    // canonical; signed and sent as it is

	// PriorAttempts is how many attempts had been made when a redelivery was
	// requested: the delivery is then made even if one of those succeeded, and has
	// all attempts of a new delivery after them. It is 0 for any other delivery.
	PriorAttempts int

	// Waits says whether the delivery is kept for its webhook when it has to wait.
	Waits Waits
}

// Waits says where a delivery is kept that has to wait for its webhook.
type Waits uint8

// The values of Waits.
const (
	InLane  Waits = iota // in its webhook's lane, which is no matter of the record
	MayWait              // with its record, if it has to wait
	Waiting              // with its record, until it is done with
)

// Of returns the delivery of an event, accepted as sequence at stored, to a
// webhook. body is the event's Body, shared by all its deliveries.
func Of(e event.Event, body []byte, webhookID string, sequence uint64, stored time.Time) Delivery {
	return Delivery{
		ID:             ID(webhookID, e.ID),
		WebhookID:      webhookID,
		OrganizationID: e.OrganizationID,
		EventID:        e.ID,
		EventType:      e.Type,
		EventSequence:  sequence,
		EventStored:    stored,
		Body:           body,
	}
}

// Reason says in one word why an attempt failed. The zero Reason is success.
type Reason string

// The reasons of the specification, section 5.
const (
	ReasonDNS            Reason = "dns"
	ReasonConnect        Reason = "connect"
	ReasonTLS            Reason = "tls"
	ReasonTimeout        Reason = "timeout"
	ReasonReset          Reason = "reset"
	ReasonRedirect       Reason = "redirect"
	ReasonClientError    Reason = "client_error"
	ReasonRateLimited    Reason = "rate_limited"
	ReasonServerError    Reason = "server_error"
	ReasonGone           Reason = "gone"
	ReasonBlockedAddress Reason = "blocked_address"
	ReasonProtocol       Reason = "protocol"
	ReasonInternal       Reason = "internal"
)

// HoldsEndpoint reports whether a failure for this reason puts the webhook on hold,
// because the endpoint as a whole does not work. A client error or a redirect does
// not: the endpoint is alive and refuses this payload.
func (r Reason) HoldsEndpoint() bool {
	switch r {
	case ReasonDNS, ReasonConnect, ReasonTLS, ReasonTimeout, ReasonReset,
		ReasonRateLimited, ReasonServerError, ReasonBlockedAddress, ReasonProtocol:
		return true
	case ReasonRedirect, ReasonClientError, ReasonGone, ReasonInternal:
		return false
	}
	return false
}

// Result is how one attempt, or one decision not to make it, ended.
type Result string

// The results.
const (
	Succeeded Result = "succeeded" // a 2xx answer
	Failed    Result = "failed"    // anything else; Outcome.Reason says what
	Deferred  Result = "deferred"  // not sent now: it waits for its webhook
	Skipped   Result = "skipped"   // not sent at all: the webhook no longer wants it
)

// Outcome is the outcome of an attempt.
type Outcome struct {
	Result     Result
	Reason     Reason        // set when Failed
	Message    string        // plain words for the customer; set unless Succeeded
	StatusCode int           // 0 when no answer came
	RetryAfter time.Duration // what a 429 or 503 asked for, 0 when nothing
	Response   Response
	RemoteAddr string // the address connected to, "" when none was
	SentTwice  bool   // the connection of the first request ended, or refused it, without an answer
	Phases     Phases
	Cause      error // for the operator's log; never stored or shown
}

// Phases are the times of an attempt's parts. A reused connection has no
// resolve, connect and TLS.
type Phases struct {
	Resolve   time.Duration `json:"resolve"`
	Connect   time.Duration `json:"connect"`
	TLS       time.Duration `json:"tls"`
	FirstByte time.Duration `json:"firstByte"`
	Total     time.Duration `json:"total"`
}

// Attempt is one HTTP request made for a delivery, or the recorded decision
// (Deferred, Skipped) not to make one.
type Attempt struct {
	ID             string // sortable by time
	DeliveryID     string
	WebhookID      string
	OrganizationID string
	EventID        string
	EventType      event.Type
	EventSequence  uint64    // where the event is kept in the event stream; 0 for a test
	Number         int       // 1 for the first; 0 when nothing was sent
	PriorAttempts  int       // as the delivery's; it is not kept
	Waits          Waits     // as the delivery's; it is not kept
	EventStored    time.Time // as the delivery's; it is not kept
	Test           bool      // made by the Test button: shown in the log, changes no count
	URL            string    // where it went
	HeaderNames    []string  // of the headers that the webhook's owner had added
	StartedAt      time.Time
	EndedAt        time.Time
	RecordedAt     time.Time // when it is recorded; Fold tells Decide, and it is not kept
	Outcome        Outcome

	// Body is what a test sent, which nothing else keeps. It is nil for any
	// other attempt: its body is that of the event at EventSequence.
	Body []byte
}

// Request is a request as it left.
type Request struct {
	URL    string
	Header map[string][]string
	Body   []byte
}

// TestResult is the result of a test: its one attempt, and the request that was
// sent, which is zero when none was.
type TestResult struct {
	Attempt Attempt
	Request Request
}

// Status is a delivery's state as the log shows it.
type Status string

// The states of a delivery.
const (
	StatusDelivered Status = "delivered"
	StatusRetrying  Status = "retrying"
	StatusHeld      Status = "held"
	StatusFailed    Status = "failed"
	StatusSkipped   Status = "skipped"
)

// Progress is what is already recorded of a delivery.
type Progress struct {
	Attempts  int  // requests made so far
	Delivered bool // one of them succeeded

	// LastSuccess is the greatest number of an attempt that succeeded, 0 for
	// none.
	LastSuccess int

	// EventSequence is where the event is kept that the delivery was recorded for,
	// in the event stream; 0 when nothing is recorded, not even that it waits or was
	// skipped. Of several it is the last.
	EventSequence uint64
}

// Done reports whether a delivery that was last requested after so many attempts
// (Delivery.PriorAttempts) has succeeded since.
func (p Progress) Done(earlier int) bool {
	return p.Delivered && (earlier == 0 || p.LastSuccess > earlier)
}
