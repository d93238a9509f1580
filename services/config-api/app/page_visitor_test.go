package app_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// visitor is a browser without scripts: it follows links and sends forms, as
// they stand in the page.
type visitor struct {
	base   string
	client *http.Client
	page   *html.Node
	url    *url.URL
	status int
	header http.Header
	source string
}

// visit opens the page by a fresh link for a person of an organization.
func (s *system) visit(t *testing.T, organization, person string) *visitor {
	t.Helper()
	v := s.stranger(t)
	v.open(t, s.portalLink(t, organization, person))
	if v.status != http.StatusOK || v.url.Path != "/portal/" {
		t.Fatalf("the link led to %s with status %d", v.url, v.status)
	}
	return v
}

// stranger is a browser without a session.
func (s *system) stranger(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{base: s.url, client: &http.Client{Jar: jar}}
}

// portalLink returns the path of a new link.
func (s *system) portalLink(t *testing.T, organization, person string) string {
	t.Helper()
	link, _ := s.do(t, call{
		method: http.MethodPost, path: "/v1/organizations/" + organization + "/portal-links", body: `{"actor":"` + person + `"}`,
	}).want(t, http.StatusCreated).object(t)["url"].(string)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

func (v *visitor) open(t *testing.T, path string) *visitor {
	t.Helper()
	return v.request(t, http.MethodGet, path, nil)
}

func (v *visitor) request(t *testing.T, method, path string, form url.Values) *visitor {
	t.Helper()
	at, err := url.Parse(v.base)
	if err != nil {
		t.Fatal(err)
	}
	if v.url != nil {
		at = v.url
	}
	if at, err = at.Parse(path); err != nil {
		t.Fatal(err)
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		at.RawQuery = form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, at.String(), body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	v.url, v.status, v.header, v.source = resp.Request.URL, resp.StatusCode, resp.Header, string(text)
	if v.page, err = html.Parse(strings.NewReader(v.source)); err != nil {
		t.Fatal(err)
	}
	return v
}

// follow follows the first link with a text.
func (v *visitor) follow(t *testing.T, text string) *visitor {
	t.Helper()
	for n := range v.page.Descendants() {
		if n.Data == "a" && words(n) == text {
			return v.open(t, attribute(n, "href"))
		}
	}
	t.Fatalf("no link %q on %s:\n%s", text, v.url, v.text())
	return nil
}

// send sends the first form that has a button with a text, with these fields
// beside what it holds already. An empty value leaves a field empty; "-" takes
// its box out.
func (v *visitor) send(t *testing.T, button string, fields map[string]string) *visitor {
	t.Helper()
	for form := range v.page.Descendants() {
		if form.Data != "form" {
			continue
		}
		for n := range form.Descendants() {
			if n.Data != "button" || words(n) != button {
				continue
			}
			values := holds(form)
			if name := attribute(n, "name"); name != "" {
				values.Set(name, attribute(n, "value"))
			}
			for name, value := range fields {
				if values.Del(name); value != "-" {
					values.Set(name, value)
				}
			}
			action := attribute(form, "action")
			if own := attribute(n, "formaction"); own != "" {
				action = own
			}
			method := http.MethodGet
			if strings.EqualFold(attribute(form, "method"), "post") {
				method = http.MethodPost
			}
			return v.request(t, method, action, values)
		}
	}
	t.Fatalf("no form with the button %q on %s:\n%s", button, v.url, v.text())
	return nil
}

// holds returns what a browser sends of an unchanged form.
func holds(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if name == "" {
			continue
		}
		switch n.Data {
		case "input":
			kind := attribute(n, "type")
			if (kind == "radio" || kind == "checkbox") && !has(n, "checked") {
				continue
			}
			values.Add(name, attribute(n, "value"))
		case "textarea":
			values.Add(name, strings.ReplaceAll(strings.TrimPrefix(inner(n), "\n"), "\n", "\r\n"))
		case "select":
			values.Add(name, chosen(n))
		}
	}
	return values
}

func chosen(list *html.Node) string {
	for n := range list.Descendants() {
		if n.Data == "option" && has(n, "selected") {
			return attribute(n, "value")
		}
	}
	return ""
}

// sees fails the test unless each text stands on the page.
func (v *visitor) sees(t *testing.T, texts ...string) *visitor {
	t.Helper()
	page := v.text()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Fatalf("%q is not on %s (%d):\n%s", text, v.url, v.status, page)
		}
	}
	return v
}

func (v *visitor) seesNot(t *testing.T, texts ...string) *visitor {
	t.Helper()
	page := v.text()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Fatalf("%q is on %s:\n%s", text, v.url, page)
		}
	}
	return v
}

func (v *visitor) want(t *testing.T, status int) *visitor {
	t.Helper()
	if v.status != status {
		t.Fatalf("%s answered %d, want %d:\n%s", v.url, v.status, status, v.text())
	}
	return v
}

// field returns what a field holds now.
func (v *visitor) field(t *testing.T, name string) string {
	t.Helper()
	for n := range v.page.Descendants() {
		if n.Data == "form" && holds(n).Has(name) {
			return holds(n).Get(name)
		}
	}
	t.Fatalf("no field %q on %s", name, v.url)
	return ""
}

// element returns the text of the element with an id, "" without one.
func (v *visitor) element(id string) string {
	for n := range v.page.Descendants() {
		if attribute(n, "id") == id {
			return inner(n)
		}
	}
	return ""
}

// text returns what stands on the page, without what only scripts use.
func (v *visitor) text() string { return words(v.page) }

// words returns the text in a node with its white space as it is shown.
func words(n *html.Node) string { return strings.Join(strings.Fields(inner(n)), " ") }

func inner(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	if slices.Contains([]string{"script", "style", "template", "head"}, n.Data) {
		return ""
	}
	var b strings.Builder
	for child := range n.ChildNodes() {
		b.WriteString(inner(child))
		if child.Type == html.ElementNode && !slices.Contains([]string{"b", "bdi", "code", "span", "time", "wbr"}, child.Data) {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
