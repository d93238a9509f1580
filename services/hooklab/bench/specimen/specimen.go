// Package specimen makes the events of a benchmark: all of one size, each with
// an id that says which it is, so that a receiver can tell what came and what
// came twice.
package specimen

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// BodySize is the length of every body in bytes.
const BodySize = 300

const (
	idLength = 30 // of what event.NewID makes
	timed    = 14 // characters of an id, until its time ends
	digits   = 10
)

// ulidDigits is the alphabet of event.NewID: an id with any other character is not
// taken for one that says when it was made.
var ulidDigits = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz") //nolint:gochecknoglobals // constant

// ID returns a new id of an event of a run, as event.NewID makes it: with the time,
// and in place of the random part something of the run's name and the index. Ids of
// different runs differ, because the same id is the same event.
func ID(run string, index int) string {
	sum := sha256.Sum256([]byte(run))
	name := ulidDigits.EncodeToString(sum[:5])
	return event.NewID(time.Now())[:timed] + name[:idLength-timed-digits] + fmt.Sprintf("%0*d", digits, index)
}

// Index returns the index of an id that ID has made, and false for any other.
func Index(id string) (int, bool) {
	if len(id) != idLength {
		return 0, false
	}
	index, err := strconv.Atoi(id[idLength-digits:])
	return index, err == nil && index >= 0
}

// Organization returns the nth organization's id. All have the same length.
func Organization(n int) string { return fmt.Sprintf("org_%07d", n) }

// Body returns an event's canonical body of BodySize bytes.
func Body(organization string, t event.Type, id string) []byte {
	var data string
	switch t {
	case event.RecordingCompleted:
		data = `"callSid":"CA01","recordingSid":"RE01","recordingUrl":"https://r.example.com/1","duration":180`
	case event.NoteCreated:
		data = `"noteId":"n1","conversationId":"c1","body":"Call back","authorId":"u1","createdAt":"2026-01-05T09:00:00Z"`
	default: // event.CallCompleted
		data = `"callSid":"CA01","direction":"inbound","phoneNumber":"+15551234567","status":"completed","duration":180`
	}
	before := `{"id":"` + id + `","type":"` + string(t) + `","timestamp":"2026-01-05T09:00:00Z","organizationId":"` +
		organization + `","data":{` + data + `,"reference":"`
	const after = `"}}`
	return []byte(before + strings.Repeat("x", max(0, BodySize-len(before)-len(after))) + after)
}
