package traffic

import (
	"fmt"
	"math"
	"time"
)

// call is the data of call.completed.
type call struct {
	CallSid      string   `json:"callSid"`
	Direction    string   `json:"direction"`
	PhoneNumber  string   `json:"phoneNumber"`
	Status       string   `json:"status"`
	Duration     int      `json:"duration"`
	From         string   `json:"from"`
	To           string   `json:"to"`
	StartedAt    string   `json:"startedAt"`
	EndedAt      string   `json:"endedAt"`
	UserID       string   `json:"userId"`
	UserName     string   `json:"userName"`
	ContactID    string   `json:"contactId,omitempty"`
	ContactName  string   `json:"contactName,omitempty"`
	RecordingURL string   `json:"recordingUrl,omitempty"`
	Tags         []string `json:"tags,omitempty"`
}

// recording is the data of recording.completed.
type recording struct {
	CallSid       string `json:"callSid"`
	RecordingSid  string `json:"recordingSid"`
	RecordingURL  string `json:"recordingUrl"`
	Duration      int    `json:"duration"`
	Direction     string `json:"direction"`
	PhoneNumber   string `json:"phoneNumber"`
	Status        string `json:"status"`
	Format        string `json:"format"`
	SizeBytes     int    `json:"sizeBytes"`
	Channels      int    `json:"channels"`
	StartedAt     string `json:"startedAt"`
	TranscriptURL string `json:"transcriptUrl,omitempty"`
}

// note is the data of note.created.
type note struct {
	NoteID         string `json:"noteId"`
	ConversationID string `json:"conversationId"`
	Body           string `json:"body"`
	AuthorID       string `json:"authorId"`
	AuthorName     string `json:"authorName"`
	CreatedAt      string `json:"createdAt"`
	CallSid        string `json:"callSid,omitempty"`
	PhoneNumber    string `json:"phoneNumber"`
	ContactID      string `json:"contactId"`
	ContactName    string `json:"contactName"`
}

func (g *Generator) call() call {
	user, who := pick(g.rng, g.users), pick(g.rng, g.contacts)
	status := g.callStatus()
	seconds := g.seconds(status)
	c := call{
		CallSid:     "CA" + g.hex(16),
		Direction:   g.direction(),
		PhoneNumber: who.phone,
		Status:      status,
		Duration:    seconds,
		From:        officePhone,
		To:          who.phone,
		StartedAt:   stamp(g.now.Add(-time.Duration(seconds) * time.Second)),
		EndedAt:     stamp(g.now),
		UserID:      user.id,
		UserName:    user.name,
	}
	if c.Direction == "inbound" {
		c.From, c.To = c.To, c.From
	}
	if g.chance(0.8) { // the others are not in the address book
		c.ContactID, c.ContactName = who.id, who.name
	}
	if seconds > 0 && g.chance(0.4) {
		c.RecordingURL = "https://recordings.example.com/" + c.CallSid + ".mp3"
	}
	if g.chance(0.3) {
		c.Tags = []string{pick(g.rng, tags())}
	}
	return c
}

func (g *Generator) recording() recording {
	who := pick(g.rng, g.contacts)
	sid, seconds := "RE"+g.hex(16), g.talkSeconds()
	r := recording{
		CallSid:      "CA" + g.hex(16),
		RecordingSid: sid,
		RecordingURL: "https://recordings.example.com/" + sid + ".mp3",
		Duration:     seconds,
		Direction:    g.direction(),
		PhoneNumber:  who.phone,
		Status:       "completed",
		Format:       "mp3",
		SizeBytes:    seconds*4000 + g.rng.IntN(4000), // 32 kbit/s
		Channels:     1 + g.rng.IntN(2),
		StartedAt:    stamp(g.now.Add(-time.Duration(seconds) * time.Second)),
	}
	if g.chance(0.5) {
		r.TranscriptURL = "https://recordings.example.com/" + sid + ".json"
	}
	return r
}

func (g *Generator) note() note {
	user, who := pick(g.rng, g.users), pick(g.rng, g.contacts)
	n := note{
		NoteID:         "note_" + g.token(),
		ConversationID: "cnv_" + g.token(),
		Body:           pick(g.rng, notes()),
		AuthorID:       user.id,
		AuthorName:     user.name,
		CreatedAt:      stamp(g.now),
		PhoneNumber:    who.phone,
		ContactID:      who.id,
		ContactName:    who.name,
	}
	if g.chance(0.6) {
		n.CallSid = "CA" + g.hex(16)
	}
	return n
}

func (g *Generator) direction() string {
	if g.chance(0.55) {
		return "inbound"
	}
	return "outbound"
}

// callStatus returns a status as often as each occurs: most calls are answered.
func (g *Generator) callStatus() string {
	switch n := g.rng.IntN(100); {
	case n < 68:
		return "completed"
	case n < 83:
		return "no-answer"
	case n < 92:
		return "voicemail"
	case n < 96:
		return "busy"
	case n < 98:
		return "canceled"
	default:
		return "failed"
	}
}

// seconds returns how long a call of a status took.
func (g *Generator) seconds(status string) int {
	switch status {
	case "completed":
		return g.talkSeconds()
	case "voicemail":
		return 5 + g.rng.IntN(55)
	default:
		return 0
	}
}

// talkSeconds returns how long a talk took: log-normal, as call durations are,
// half of them under two minutes, at most four hours.
func (g *Generator) talkSeconds() int {
	const median, spread, most = 110, 1.1, 4 * 3600
	return int(min(most, max(1, median*math.Exp(spread*g.rng.NormFloat64()))))
}

// officePhone is the organization's own number.
const officePhone = "+12025550100"

// phone returns a number that is reserved for fiction: +1 NPA 555-01xx in North
// America, +44 20 7946 0xxx in London.
func (g *Generator) phone() string {
	if g.chance(0.15) {
		return fmt.Sprintf("+442079460%03d", g.rng.IntN(1000))
	}
	return fmt.Sprintf("+1%s55501%02d", pick(g.rng, areaCodes()), g.rng.IntN(100))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
