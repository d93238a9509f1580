package story

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// Path is where the storybook is served.
const Path = "/portal/storybook/"

// Book serves the stories, and the assets that their pages need.
type Book struct {
	renderer *render.Renderer
	mux      *http.ServeMux
}

// NewBook returns a storybook. policy is the Content-Security-Policy under
// which the page is served.
func NewBook(policy string) (*Book, error) {
	r, err := render.New()
	if err != nil {
		return nil, fmt.Errorf("make the renderer: %w", err)
	}
	b := &Book{renderer: r, mux: http.NewServeMux()}
	b.mux.Handle("GET /portal/static/", r.Assets())
	b.mux.HandleFunc("GET "+Path+"{$}", b.list)
	for _, s := range All() {
		b.mux.HandleFunc("GET "+Path+s.Name, func(w http.ResponseWriter, req *http.Request) { b.tell(w, req, s) })
	}
	b.mux.HandleFunc("GET /portal/accent.css", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(view.ParseTheme("", req.FormValue("accent")).StyleSheet())) //nolint:gosec // only six hexadecimal digits come through
	})
	whole := b.mux
	b.mux = http.NewServeMux()
	b.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		whole.ServeHTTP(w, req)
	})
	return b, nil
}

// ServeHTTP serves a story.
func (b *Book) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// tell serves one story: ?part is its content alone, ?scheme and ?accent give
// it a theme.
func (b *Book) tell(w http.ResponseWriter, r *http.Request, s Story) {
	f, name, body := s.Frame, s.Template, s.Body
	f.Live = ""
	f.Theme = view.ParseTheme(r.FormValue("scheme"), r.FormValue("accent"))
	f.Part = r.FormValue("part") != ""
	if s.Dialog && !f.Part {
		// The dialog opens over the cards, as it does on the page.
		name, body = "told", told{Cards: page(active(), onHold(), autoDisabled()), Part: Path + s.Name + "?part=1"}
		b.serve(w, f, name, body)
		return
	}
	b.serve(w, f, name, body)
}

// told is the page of the cards with a dialog to open over them.
type told struct {
	Cards view.Cards
	Part  string
}

func (b *Book) serve(w http.ResponseWriter, f render.Frame, name string, body any) {
	var page bytes.Buffer
	var err error
	if t, is := body.(told); is {
		var cards []byte
		if cards, err = b.renderer.Piece("cards", t.Cards); err == nil {
			opener := `<p hidden><a id="opener" href="` + template.HTMLEscapeString(t.Part) + `" hx-get="` +
				template.HTMLEscapeString(t.Part) + `" hx-trigger="load" hx-target="#dialog-body">open</a></p>`
			err = b.renderer.Page(&page, f, "html", template.HTML(string(cards)+opener)) //nolint:gosec // our own text, escaped
		}
	} else {
		err = b.renderer.Page(&page, f, name, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes()) // a reader that has left
}

func (b *Book) list(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	text.WriteString(`<div class="lead"><div><h1>Storybook</h1><p>Every state of the page, from made-up data.</p></div></div><ul class="panel stack" id="stories">`)
	for _, s := range All() {
		text.WriteString(`<li><a href="` + Path + s.Name + `">` + template.HTMLEscapeString(s.Title) + `</a></li>`)
	}
	b.serve(w, render.Frame{Title: "Storybook", Theme: view.ParseTheme(r.FormValue("scheme"), "")}, "html", template.HTML(text.String()+`</ul>`)) //nolint:gosec // our own text, escaped
}

// Policy is the Content-Security-Policy of the page.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
