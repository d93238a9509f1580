package egress

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/endpoint"
)

// customersTargets are what customers' URLs lead to.
func customersTargets() *rapid.Generator[*url.URL] {
	policy := endpoint.Policy{AllowHTTP: true, AllowPrivate: true}
	return rapid.Custom(func(t *rapid.T) *url.URL {
		host := rapid.SampledFrom([]string{"example.com", "EXAMPLE.com:8443", "b\u00fccher.example", "[2001:db8::1]:8080", "192.0.2.7"}).Draw(t, "host")
		u, err := policy.Target("http://" + host + "/" + rapid.StringN(0, 20, 60).Draw(t, "path"))
		if err != nil {
			return nil
		}
		return u
	}).Filter(func(u *url.URL) bool { return u != nil })
}

// What is written is read as the request that was meant, whatever its URL, its
// headers and its body are.
func TestWhatIsWrittenIsReadAsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := customersTargets().Draw(t, "target")
		r := Request{
			Method: rapid.SampledFrom([]string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodPut}).Draw(t, "method"),
			Normal: target,
			Body:   rapid.SliceOfN(rapid.Byte(), 0, 9000).Draw(t, "body"),
		}
		if r.Method == http.MethodGet || r.Method == http.MethodDelete {
			r.Body = nil
		}
		want := http.Header{}
		for range rapid.IntRange(0, 10).Draw(t, "fields") {
			f := delivery.Field{
				Name:  rapid.StringMatching("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}").Draw(t, "name"),
				Value: rapid.StringMatching(`[!-~]([ -~]{0,30}[!-~])?`).Draw(t, "value"),
			}
			if framing(f.Name) {
				continue
			}
			r.Fields = append(r.Fields, f)
			want.Add(f.Name, f.Value)
		}
		if err := valid(r); err != nil {
			t.Fatalf("it is not valid: %v", err)
		}
		var sent bytes.Buffer
		plain := http1.Request{Method: r.Method, Target: target.RequestURI(), Host: target.Host, Fields: r.Fields, Body: r.Body}
		if err := plain.Write(bufio.NewWriter(&sent)); err != nil {
			t.Fatal(err)
		}
		text := bytes.Clone(sent.Bytes())
		head, _, _ := strings.Cut(string(text), "\r\n\r\n")
		for i, line := range strings.Split(head, "\r\n")[2:][:len(r.Fields)] {
			if line != r.Fields[i].Name+": "+r.Fields[i].Value {
				t.Errorf("line %q, want %v as it stands and in its place", line, r.Fields[i])
			}
		}
		got, err := http.ReadRequest(bufio.NewReader(&sent))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(body, r.Body) || got.ContentLength != int64(len(r.Body)) {
			t.Fatalf("body of %d bytes, length %d (%v), want %d", len(body), got.ContentLength, err, len(r.Body))
		}
		if got.Method != r.Method || got.RequestURI != target.RequestURI() || got.Host != target.Host {
			t.Fatalf("%s %s to %s, want %s %s to %s", got.Method, got.RequestURI, got.Host, r.Method, target.RequestURI(), target.Host)
		}
		got.Header.Del("Content-Length")
		if !maps.EqualFunc(got.Header, want, slices.Equal) {
			t.Fatalf("headers %q, want %q", got.Header, want)
		}
		if sent.Len() > 0 {
			t.Fatalf("%q stands behind it", sent.String())
		}
	})
}
