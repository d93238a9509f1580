package event

import (
	"fmt"
	"net/url"
)

// rule is what a field of data must be. A field without a rule is passed on as
// it came.
type rule struct {
	key  string
	ok   func(value []byte) bool
	want string // continues "data.key must be …"
}

// The words for what is wanted.
const (
	wantText     = "a string that is not empty"
	wantPhone    = "a phone number in E.164, such as +15551234567"
	wantDuration = "a whole number of seconds, 0 or more"
	wantURL      = "an absolute https URL"
	wantTime     = "a time in RFC 3339, such as 2024-01-15T10:30:00Z"
)

// checkFields checks the fields that an event of type t must have.
func (e *envelope) checkFields(t Type) {
	switch t {
	case CallCompleted:
		e.require(
			rule{"callSid", isText, wantText},
			rule{"direction", isDirection, `"inbound" or "outbound"`},
			rule{"phoneNumber", isPhone, wantPhone},
			rule{"status", isCallStatus, `"completed", "no-answer", "busy", "failed", "canceled" or "voicemail"`},
			rule{"duration", isDuration, wantDuration},
		)
	case RecordingCompleted:
		e.require(
			rule{"callSid", isText, wantText},
			rule{"recordingSid", isText, wantText},
			rule{"recordingUrl", isHTTPSURL, wantURL},
			rule{"duration", isDuration, wantDuration},
		)
	case NoteCreated:
		e.require(
			rule{"noteId", isText, wantText},
			rule{"conversationId", isText, wantText},
			rule{"body", isText, wantText},
			rule{"authorId", isText, wantText},
			rule{"createdAt", isTime, wantTime},
		)
	}
}

// require checks that data has each rule's field and that it is as wanted.
func (e *envelope) require(rules ...rule) {
	var seen uint
	for key, value := range members(e.data) {
		for i, r := range rules {
			if string(key) != r.key {
				continue
			}
			seen |= 1 << i
			if !r.ok(value) {
				e.add("/data/"+r.key, fmt.Sprintf("data.%s must be %s.", r.key, r.want))
			}
		}
		if seen == 1<<len(rules)-1 {
			break // no key is given twice
		}
	}
	for i, r := range rules {
		if seen&(1<<i) == 0 {
			e.add("/data/"+r.key, fmt.Sprintf("data.%s is missing: it must be %s.", r.key, r.want))
		}
	}
}

// The checks below read canonical text.

func isText(value []byte) bool { return len(value) > 2 && value[0] == '"' }

func isDirection(value []byte) bool {
	switch string(value) {
	case `"inbound"`, `"outbound"`:
		return true
	}
	return false
}

func isCallStatus(value []byte) bool {
	switch string(value) {
	case `"completed"`, `"no-answer"`, `"busy"`, `"failed"`, `"canceled"`, `"voicemail"`:
		return true
	}
	return false
}

// isPhone is E.164: a plus, a country code that does not begin with 0, and at
// most 15 digits in all.
func isPhone(value []byte) bool {
	text, _ := plainText(value)
	if len(text) < 3 || len(text) > 16 || text[0] != '+' || text[1] == '0' {
		return false
	}
	for _, c := range text[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// isDuration is a whole number from 0 to 2^53 - 1, the largest that every JSON
// reader reads exactly.
func isDuration(value []byte) bool {
	const largest = "9007199254740991"
	if len(value) > len(largest) || len(value) == len(largest) && string(value) > largest {
		return false
	}
	for _, c := range value {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

func isHTTPSURL(value []byte) bool {
	text, ok := plainText(value)
	if !ok {
		return false
	}
	for _, c := range text {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	u, err := url.Parse(string(text))
	return err == nil && u.Scheme == "https" && u.Hostname() != ""
}

func isTime(value []byte) bool {
	text, _ := plainText(value)
	_, ok := parseTime(string(text))
	return ok
}
