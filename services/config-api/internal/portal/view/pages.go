package view

import (
	"strings"

	"github.com/dialnote/webhooks/proto/receivers"
)

// Cards is the page of all webhooks.
type Cards struct {
	Cards   []Card
	Most    int    // webhooks that the organization can have
	Search  string // what the cards were searched for
	Matches string // how many were found, "" unless something was searched for
	Any     bool   // the organization has webhooks
	Full    bool   // it has as many as it can
	Events  []EventSetting
	Zapier  Zapier
	Here    string // the page's own address
	Seen    string // the digest of the webhooks, which the live connection compares

	Searchable bool // there are so many webhooks that a search helps
}

// ManyOf offers a search when the organization has many webhooks.
func (c *Cards) ManyOf(all int) { c.Searchable = c.Search != "" || all > 8 }

// Zapier is the section Zapier Integration.
type Zapier struct {
	Key     string // "" until Show Key
	Created Moment
	Rotated bool
	Problem string
}

// Head is the top of each page of one webhook.
type Head struct {
	Card Card
	Tabs []Link
}

// HeadOf returns the top of a webhook's page, the one of its pages that has
// this path under the webhook's.
func HeadOf(c Card, path string) Head {
	h := Head{Card: c}
	for _, tab := range []Link{
		{Text: "Deliveries", URL: ""},
		{Text: "Secret and code", URL: "/secret"},
		{Text: "Signature checker", URL: "/check"},
		{Text: "Recover", URL: "/recover"},
	} {
		h.Tabs = append(h.Tabs, Link{Text: tab.Text, URL: "/portal/webhooks/" + c.ID + tab.URL, Here: tab.URL == path})
	}
	return h
}

// Log is the page of a webhook's deliveries.
type Log struct {
	Head
	Filter Filter
	Rows   []Row
	Here   string // the page's own address
	First  string // the newest page's address, "" on that page
	Older  string // the next page's address, "" at the end
	Kept   string // how long deliveries are kept
	Zone   string // of the times that are typed
}

// DeliveryPage is the page of one delivery.
type DeliveryPage struct {
	Head
	Delivery Delivery
	First    string // the address of the newest attempts, "" on their page
	Older    string // the address of older attempts, "" when there are none
}

// SecretPage is the page with a webhook's secret and the code that verifies.
type SecretPage struct {
	Head
	New       bool // the webhook was just made
	Secret    string
	Languages []Language
}

// Language is the code that verifies, in one language.
type Language struct {
	Name         string
	ID           string
	Verification string // a function for each signature scheme
	Source       string // a whole program
}

// LanguagesOf returns the code of the example receivers.
func LanguagesOf(examples []receivers.Example) []Language {
	languages := make([]Language, 0, len(examples))
	for _, e := range examples {
		languages = append(languages, Language{
			Name: e.Language, ID: strings.ToLower(e.Language), Verification: withoutHead(e.Verification), Source: e.Source,
		})
	}
	return languages
}

// withoutHead returns code without the comment that it begins with, which says
// how to run the whole program.
func withoutHead(code string) string {
	opening := ""
	if rest, php := strings.CutPrefix(code, "<?php\n"); php {
		opening, code = "<?php\n", rest
	}
	for strings.HasPrefix(code, "//") || strings.HasPrefix(code, "#") {
		_, code, _ = strings.Cut(code, "\n")
	}
	return opening + code
}

// CheckPage is the signature checker.
type CheckPage struct {
	Head
	Body, Headers string
	Problem       string
	Findings      []Finding
}

// Finding is what the checker says of one scheme.
type Finding struct {
	Scheme string
	Badge  Badge
	Title  string
	Says   string
	Do     []string
	Given  string // where two texts begin to differ
	Want   string
}

// RecoverPage is the form of a recovery.
type RecoverPage struct {
	Head
	Withins      []Choice
	Since, Until Input
	Zone         string
	Problem      string
	Earlier      []Recovery
}

// RecoveryPage is a recovery and how far it is.
type RecoveryPage struct {
	Head
	Recovery Recovery
}

// TestPage is the page of a test: its result, and the form of the next one.
type TestPage struct {
	Card    Card
	Payload Input // the data of the next one
	Preview *Request
	Result  *TestResult
	Problem string
}

// Ask is a question before something is done: deleting, enabling, rotating.
type Ask struct {
	Card    Card
	Version int64
	Problem string
	Held    bool // events wait
}

// KeysPage is the page of API keys.
type KeysPage struct {
	Keys  []Key
	Name  Input
	New   string // the text of a key that was just made
	Named string // its name
	Older string
}

// RevokePage asks before a key is revoked.
type RevokePage struct{ Key Key }

// AuditPage is the page of the audit log.
type AuditPage struct {
	Entries []Entry
	Actions []Choice
	Webhook string
	Active  bool
	First   string
	Older   string
}

// Notice is a page with nothing but a message.
type Notice struct {
	Title     string
	Says      string
	RequestID string
	Back      bool // offers the way to the webhooks
}

// Flash is the message about the last action.
type Flash struct {
	Text string
	Tone Tone
}
