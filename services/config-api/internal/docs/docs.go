// Package docs renders the API document as an HTML page without scripts, once at
// start.
package docs

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

//go:embed page.html
var pageSource string

//go:embed style.css
var styleSource string

// Page is the rendered documentation.
type Page struct{ html []byte }

// HTML returns the page.
func (p *Page) HTML() []byte { return p.html }

// CSS returns the page's style sheet, which it expects at /docs/style.css.
func (p *Page) CSS() []byte { return []byte(styleSource) }

// New renders a document.
func New(d *contract.Document) (*Page, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"prose": prose, "lower": strings.ToLower}).Parse(pageSource)
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, viewOf(d)); err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	return &Page{html: b.Bytes()}, nil
}

// prose renders the little Markdown that the document uses: paragraphs,
// **bold** and `code`. Everything is escaped first.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString("<p>")
		b.WriteString(inline(paragraph))
		b.WriteString("</p>")
	}
	return template.HTML(b.String()) //nolint:gosec // escaped in inline; the document is our own
}

func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(template.HTMLEscapeString(text), "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + part + "</code>")
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if j%2 == 1 {
				piece = "<strong>" + piece + "</strong>"
			}
			b.WriteString(piece)
		}
	}
	return b.String()
}
