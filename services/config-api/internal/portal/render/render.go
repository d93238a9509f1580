// Package render prints the settings page: templates, style sheet and scripts.
package render

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

//go:embed templates
var templateFiles embed.FS

// Frame is the part of a page around its content.
type Frame struct {
	Title     string
	Tab       string // which of the page's tabs is current; "" for a page without them
	Theme     view.Theme
	Flash     *view.Flash
	Live      string   // the address of live changes, "" for none
	Refresh   int      // seconds after which a browser without scripts reloads the page; 0 for never
	Embedders []string // origins that may show the page in a frame

	Organization string // whose page it is; "" without a session
	Person       string // for whom it was opened

	// Part asks for the content alone: a script puts it into a page.
	Part bool
}

// Renderer prints pages. Safe for concurrent use.
type Renderer struct {
	templates *template.Template
	assets    *Assets
}

// New returns a renderer, or an error when a template or asset is broken.
func New() (*Renderer, error) {
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(functions(assets)).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the templates: %w", err)
	}
	return &Renderer{templates: t, assets: assets}, nil
}

// Assets returns the style sheet and the scripts.
func (r *Renderer) Assets() *Assets { return r.assets }

// Page writes the page whose content the named template makes of body. Nothing
// is written when it returns an error of the template.
func (r *Renderer) Page(w io.Writer, f Frame, name string, body any) error {
	var content bytes.Buffer
	if err := r.templates.ExecuteTemplate(&content, name, body); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	if f.Part {
		_, err := w.Write(content.Bytes())
		return err //nolint:wrapcheck // a reader that has left
	}
	var page bytes.Buffer
	whole := struct {
		Frame

		Content template.HTML
	}{f, template.HTML(content.String())} //nolint:gosec // a template has just escaped it
	if err := r.templates.ExecuteTemplate(&page, "layout", whole); err != nil {
		return fmt.Errorf("render the layout of %s: %w", name, err)
	}
	_, err := w.Write(page.Bytes())
	return err //nolint:wrapcheck // a reader that has left
}

// Piece returns what the named template makes of body.
func (r *Renderer) Piece(name string, body any) ([]byte, error) {
	var b bytes.Buffer
	if err := r.templates.ExecuteTemplate(&b, name, body); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}
