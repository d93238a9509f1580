package view

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
)

// Delivery is a delivery with everything that was done for it.
type Delivery struct {
	Row

	WebhookID     string
	Payload       Body
	PayloadNote   string // why there is no payload
	Attempts      []Attempt
	Why           Explanation // of the last attempt's failure
	CanRedeliver  bool
	CannotBecause string
}

// Attempt is one request of a delivery with its answer, or the decision not to
// make one.
type Attempt struct {
	ID      string
	Title   string // "Attempt 2", or "Not sent"
	Badge   Badge
	Sent    bool
	At      Moment
	Took    string
	Result  string // "200 OK", or why it failed
	Remote  string // the address connected to
	Twice   bool   // the request was sent a second time
	Next    Moment // when the next one was due then
	Phases  []Phase
	URL     string
	Headers []HeaderLine
	Answer  *Answer
	Curl    string
	Open    bool
}

// HeaderLine is a header as it is shown.
type HeaderLine struct{ Name, Value string }

// Answer is what a server answered.
type Answer struct {
	Status     string
	Headers    []HeaderLine
	HeadersCut bool // more came than are kept
	Body       Body
}

// Body is the body of a request or an answer.
type Body struct {
	Exact    string // as it was, but for bytes that are no UTF-8; base64 when Binary
	Shown    string // indented when it is JSON, hexadecimal when Binary
	JSON     bool
	Binary   bool   // it is no text
	Encoding string // the content encodings that could not be undone
	Size     string
	Cut      bool // more came than is kept
}

// Known reports whether there is anything to show.
func (b Body) Known() bool { return b.Exact != "" }

// Phase is a part of an attempt as a bar, in units of its chart's width.
type Phase struct {
	Name     string
	Took     string
	X, Width int
	Class    string
}

// phasesWidth is the width of the whole time in a phase's units.
const phasesWidth = 600

// mostCommands is how many bytes the cURL commands of a page have. Each has the
// whole payload; the older attempts go without.
const mostCommands = 256 << 10

// DeliveryOf returns a delivery to the webhook of a card with its attempts, the
// last first. The last one is open.
func DeliveryOf(v manage.DeliveryView, w Card, c Clock) Delivery {
	d := Delivery{Row: RowOf(v.LoggedDelivery, w, c), WebhookID: v.WebhookID}
	if d.Badge.Tone != Good {
		d.Why = Explain(v.Reason)
	}
	switch v.Payload {
	case manage.PayloadExpired:
		d.PayloadNote = "The event is older than events are kept, so its payload can no longer be shown."
	case manage.PayloadUnavailable:
		d.PayloadNote = "The payload cannot be read at the moment. Reload the page to try again."
	case manage.PayloadKept:
	}
	commands := 0
	for i, e := range v.Entries {
		a := attemptOf(e, c)
		a.Open = i == 0
		if commands += len(a.Curl); commands > mostCommands && i > 0 {
			a.Curl = ""
		}
		d.Attempts = append(d.Attempts, a)
		if e.Request != nil && e.Request.Body != nil && !d.Payload.Known() {
			d.Payload = BodyOf(e.Request.Body, false)
		}
	}
	d.CanRedeliver, d.CannotBecause = !d.Test, ""
	if d.Test {
		d.CannotBecause = "A test cannot be delivered again. Make a new one."
	}
	return d
}

func attemptOf(e manage.EntryView, c Clock) Attempt {
	o := e.Outcome
	a := Attempt{
		ID: e.ID, Title: "Not sent", Badge: DeliveryBadge(e.Status), Sent: e.Number > 0,
		At: c.Moment(e.StartedAt), Result: o.Message, Remote: o.RemoteAddr, Twice: o.SentTwice, Next: c.Moment(e.NextAt),
	}
	if !a.Sent {
		return a
	}
	a.Title = "Attempt " + strconv.Itoa(e.Number)
	if e.Test {
		a.Title = "Test"
	}
	a.Badge = resultBadge(o.Result)
	a.Took = Took(e.EndedAt.Sub(e.StartedAt))
	a.Phases = phasesOf(o.Phases)
	if o.Result == delivery.Succeeded {
		a.Result = statusText(o.StatusCode)
	}
	if r := e.Request; r != nil {
		a.URL, a.Headers = r.URL, headerLines(r.Header)
		a.Curl = Curl(*r)
	}
	a.Answer = answerOf(o)
	return a
}

func resultBadge(r delivery.Result) Badge {
	if r == delivery.Succeeded {
		return Badge{"Delivered", Good}
	}
	return Badge{"Failed", Bad}
}

// answerOf returns what a server answered, nil when it did not.
func answerOf(o delivery.Outcome) *Answer {
	if o.StatusCode == 0 {
		return nil
	}
	r := o.Response
	a := &Answer{
		Status: statusText(o.StatusCode), Headers: headerLines(r.Header), HeadersCut: r.HeaderTruncated,
		Body: BodyOf(r.Body, r.Truncated),
	}
	a.Body.Encoding = r.Encoding
	if r.Binary() {
		a.Body.Binary, a.Body.JSON = true, false
		a.Body.Exact, a.Body.Shown = base64.StdEncoding.EncodeToString(r.Body), hex.Dump(r.Body)
	}
	return a
}

func statusText(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// headerLines returns headers one a line, in the order of their names.
func headerLines(header map[string][]string) []HeaderLine {
	lines := make([]HeaderLine, 0, len(header))
	for name, values := range header {
		for _, value := range values {
			lines = append(lines, HeaderLine{name, strings.ToValidUTF8(value, "\uFFFD")})
		}
	}
	slices.SortStableFunc(lines, func(a, b HeaderLine) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return lines
}

// BodyOf returns a body as it is shown. JSON is indented; the exact text stays
// beside it, because a signature is over that.
func BodyOf(text []byte, cut bool) Body {
	b := Body{Exact: strings.ToValidUTF8(string(text), "\uFFFD"), Cut: cut, Size: size(len(text))}
	b.Shown = b.Exact
	var indented bytes.Buffer
	if !cut && len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Indent(&indented, []byte(b.Exact), "", "  ") == nil {
		b.Shown, b.JSON = indented.String(), true
	}
	return b
}

func size(n int) string {
	if n < 1024 {
		return Plural(int64(n), "byte")
	}
	return strconv.FormatFloat(float64(n)/1024, 'f', 1, 64) + " KiB"
}

// phasesOf returns the parts of an attempt one after another. What took less
// than can be drawn is still a line.
func phasesOf(p delivery.Phases) []Phase {
	if p.Total <= 0 {
		return nil
	}
	rest := max(0, p.Total-p.Resolve-p.Connect-p.TLS-p.FirstByte)
	var phases []Phase
	var before time.Duration
	for _, part := range []struct {
		name, class string
		took        time.Duration
	}{
		{"Resolve", "resolve", p.Resolve},
		{"Connect", "connect", p.Connect},
		{"TLS", "tls", p.TLS},
		{"First byte", "wait", p.FirstByte},
		{"Rest", "rest", rest},
	} {
		if part.took <= 0 {
			continue
		}
		x := int(before * phasesWidth / p.Total)
		width := max(2, int(part.took*phasesWidth/p.Total))
		phases = append(phases, Phase{Name: part.name, Class: part.class, Took: Took(part.took), X: min(x, phasesWidth-width), Width: width})
		before += part.took
	}
	return phases
}
