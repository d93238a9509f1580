package view

import (
	"strings"
	"unicode/utf8"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Form is the form of a new webhook, or of one that is edited.
type Form struct {
	ID       string // "" for a new one
	Version  int64  // that is edited
	Name     Input
	Provider Input
	URL      Input
	Event    Input
	Ordered  bool
	Choices  []Choice      // under Event Settings
	Headers  []HeaderInput // rows, those for new ones last
	More     bool          // the less common fields are in use

	OffersZapier bool   // the URL of a new custom webhook is Zapier's
	Problem      string // what is wrong with the whole
}

// Input is a field with what is wrong with it, "" for nothing.
type Input struct {
	Value string
	Error string
}

// Choice is one of several that exclude each other.
type Choice struct {
	Value, Label, Help string
	Chosen             bool
}

// HeaderInput is a row of the form: a header that is added to each request.
type HeaderInput struct {
	Name   string
	Value  string // webhook.HeaderMask for one that is kept
	Kept   bool   // the webhook has it
	Remove bool
	Error  string
}

// Entered is what a form holds, as it was typed.
type Entered struct {
	Name, Provider, URL, Event string
	Ordered                    bool
	Headers                    []EnteredHeader
}

// EnteredHeader is one header of a form.
type EnteredHeader struct {
	Name, Value  string
	Kept, Remove bool
}

// spareHeaders is how many empty rows a form has for new headers.
const spareHeaders = 2

// NewForm returns an empty form.
func NewForm() Form {
	return FormOf(Entered{Provider: string(webhook.Custom), Event: string(webhook.SendCallLogs)}, nil)
}

// EditForm returns the form of a webhook.
func EditForm(w webhook.Webhook) Form {
	e := Entered{Name: w.Name, Provider: string(w.Provider), URL: w.URL, Event: string(w.Event), Ordered: w.Ordered()}
	for _, h := range w.Headers {
		e.Headers = append(e.Headers, EnteredHeader{Name: h.Name, Value: webhook.HeaderMask, Kept: true})
	}
	f := FormOf(e, nil)
	f.ID, f.Version = w.ID, w.Version
	return f
}

// FormOf returns a form as it was typed, with what is wrong with it.
func FormOf(e Entered, wrong []fault.Field) Form {
	f := Form{
		Name: Input{Value: e.Name}, Provider: Input{Value: e.Provider}, URL: Input{Value: e.URL}, Event: Input{Value: e.Event},
		Ordered: e.Ordered,
	}
	for _, s := range EventSettings() {
		f.Choices = append(f.Choices, Choice{string(s.Value), s.Label, s.Fires, string(s.Value) == e.Event})
	}
	for _, h := range e.Headers {
		f.Headers = append(f.Headers, HeaderInput{Name: h.Name, Value: h.Value, Kept: h.Kept, Remove: h.Remove})
	}
	for _, w := range wrong {
		switch w.Pointer {
		case "/name":
			f.Name.Error = Sentence(w.Detail)
		case "/provider":
			f.Provider.Error = Sentence(w.Detail)
		case "/url":
			f.URL.Error = Sentence(w.Detail)
		case "/event":
			f.Event.Error = Sentence(w.Detail)
		default:
			if !headerWrong(f.Headers, w) {
				f.Problem = strings.TrimSpace(f.Problem + " " + Sentence(w.Detail))
			}
		}
	}
	f.More = f.Ordered || len(e.Headers) > 0
	for range min(spareHeaders, webhook.MaxHeaders-len(e.Headers)) {
		f.Headers = append(f.Headers, HeaderInput{})
	}
	return f
}

// headerWrong notes what is wrong with a header in its row, and reports whether
// it has one.
func headerWrong(rows []HeaderInput, w fault.Field) bool {
	name, is := strings.CutPrefix(w.Pointer, "/headers/")
	if !is {
		return false
	}
	name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	for i := range rows {
		if rows[i].Name == name {
			rows[i].Error = Sentence(w.Detail)
			return true
		}
	}
	return false
}

// Wrong reports whether something must be corrected.
func (f Form) Wrong() bool {
	for _, h := range f.Headers {
		if h.Error != "" {
			return true
		}
	}
	return f.Problem != "" || f.Name.Error != "" || f.Provider.Error != "" || f.URL.Error != "" || f.Event.Error != ""
}

// Sentence writes what the API says of a field as the page says it: the API
// begins with the field's name as programs know it.
func Sentence(detail string) string {
	for _, word := range []struct{ api, page string }{
		{"name ", "The name "},
		{"provider ", "The provider "},
		{"url ", "The URL "},
		{"event ", "The event setting "},
		{"since ", "The start "},
		{"until ", "The end "},
		{"data ", "The data "},
	} {
		if rest, is := strings.CutPrefix(detail, word.api); is {
			return word.page + rest
		}
	}
	first, size := utf8.DecodeRuneInString(detail)
	return strings.ToUpper(string(first)) + detail[size:]
}
