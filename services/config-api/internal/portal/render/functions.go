package render

import (
	"errors"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// longest is how many characters of a URL a card shows at once; the rest of a
// longer one is unfolded.
const longest = 200

// functions are what the templates call.
func functions(a *Assets) template.FuncMap {
	return template.FuncMap{
		"asset":   a.URL,
		"scripts": a.Scripts,
		"count":   view.Count,
		"dict":    dict,
		"inc":     func(n int) int { return n + 1 },
		"icon":    icon,
		"dialog":  func(path string) template.HTMLAttr { return opens("get", path) },
		"post":    func(path string) template.HTMLAttr { return opens("post", path) },
		"dialogOf": func(id, what string) template.HTMLAttr {
			return opens("get", "/portal/webhooks/"+id+"/"+what)
		},
		"postOf": func(id, what string) template.HTMLAttr {
			return opens("post", "/portal/webhooks/"+id+"/"+what)
		},
		"check":  check,
		"long":   func(url string) bool { return utf8.RuneCountInString(url) > longest },
		"breaks": breaks,
		"short":  func(url string) string { return string([]rune(url)[:longest-40]) + "…" },
	}
}

// dict returns a map of names and values, for a template with several
// arguments.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict needs names with values")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// breaks returns a URL with places for line breaks where its parts end, so that no
// line has only a letter or two. Copying the text gives the unchanged URL.
func breaks(url string) template.HTML {
	var b strings.Builder
	ends := false
	for _, r := range url {
		end := strings.ContainsRune("/?&=", r)
		if ends && !end {
			b.WriteString("<wbr>")
		}
		b.WriteString(template.HTMLEscapeString(string(r)))
		ends = end
	}
	return template.HTML(b.String()) //nolint:gosec // escaped
}

// icon returns the icon of a tone. It says nothing that the words beside it do
// not say.
func icon(tone any) template.HTML {
	return template.HTML(`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><use href="#i-` + //nolint:gosec // escaped
		template.HTMLEscapeString(fmt.Sprint(tone)) + `"/></svg>`)
}

// opens returns the attributes by which a link, a button or a form shows the
// response in the dialog. Without scripts they have no effect, and the response is
// a page.
func opens(method, path string) template.HTMLAttr {
	return template.HTMLAttr(`hx-` + method + `="` + template.HTMLEscapeString(path) + //nolint:gosec // escaped
		`" hx-target="#dialog-body" hx-swap="innerHTML" hx-disabled-elt="this"`)
}

// check returns the attributes by which a field is checked while it is typed.
func check(id string) template.HTMLAttr {
	path := "/portal/webhooks/new/check"
	if id != "" {
		path = "/portal/webhooks/" + id + "/edit/check"
	}
	return template.HTMLAttr(`hx-post="` + template.HTMLEscapeString(path) + //nolint:gosec // escaped
		`" hx-trigger="input changed delay:400ms, change" hx-swap="none" hx-include="closest form" hx-sync="closest form:replace"`)
}
