package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// nodeURLs answers a JSON array of URLs with the path and query that Node's URL
// requests of each. A question mark that ends a URL is in its href only.
const nodeURLs = `
const urls = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(urls.map((text) => {
  const url = new URL(text);
  return url.href.slice(url.origin.length);
})));
`

// byNode returns the paths and queries that Node's URL, which is the browsers'
// (WHATWG URL), requests of example.com for each of the typed ones.
func byNode(t *testing.T, typed []string) []string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("this test compares with real Node, which must be installed: %v", err)
	}
	urls := make([]string, 0, len(typed))
	for _, text := range typed {
		urls = append(urls, "https://example.com"+text)
	}
	in, err := json.Marshal(urls)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-e", nodeURLs)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run node: %v", err)
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(typed) {
		t.Fatalf("node gave %d answers to %d URLs, %v", len(answers), len(typed), err)
	}
	return answers
}

// What is sent is what Node sends, byte for byte, of everything that is not in
// the lists of differences below.
func TestPathsAndQueriesAreNodes(t *testing.T) {
	t.Parallel()
	typed := []string{
		"", "?", "/?", "/??", "?a", "/a%2Fb/é", "/café/x%2By", "/a//b/", "//", "/%7e~/%C3%a9", "/[a]", "/a;v=1/b,c", "/:@!$&()*+,;=-._~",
		"/%20%0A%00%ff", "/...", "/a..b/.c", "/x?a=b+c%20d;e", "/?%zz&100%&%", "/?a[]=1&b=/?:@", "/?é=ü%C3%BC", "/\"<>", "/?\"<>", "/`{}",
		"/?u=https://x.de/?a=b", "/?a/../b", "/a\u200db", "/?\u200c", "/'",
	}
	r := random(t)
	// No part with a dot: two of them beside each other are a dot segment.
	parts := []string{
		"/", "%2F", "%2f", "%25", "%7e", "%C3%A9", "%ff", "%00", "é", "😀", "\"", "<", ">", "a", "Z", "0", "-", "_", "~", "!", "$", "&",
		"(", ")", "*", "+", ",", ";", "=", ":", "@", "[", "]", "\u200d", "\u00df", "\u0130",
	}
	for range 5_000 {
		typed = append(typed, pathAndQuery(r, parts))
	}
	for i, node := range byNode(t, typed) {
		if ours := sent(t, typed[i]); ours != node {
			t.Errorf("%q is sent as %q, by Node as %q", typed[i], ours, node)
		}
	}
}

// Every ASCII character that a URL may be typed with, alone, in a path and in a
// query: what is sent is Node's, or the same when it is unescaped, for a reason
// that the lists name.
func TestCharactersThatNodeSendsOtherwise(t *testing.T) {
	t.Parallel()
	differences := map[string]string{
		"/|": "RFC 3986 has no | in a path, and some servers answer 400; browsers send it",
		"/^": "as |; newer browsers escape it",
		"?|": "RFC 3986 has no | in a query, and some servers answer 400; browsers send it",
		"?^": "as |",
		"?`": "as |",
		"?{": "as |",
		"?}": "as |",
		"?'": "RFC 3986 allows ', so it stays as typed; browsers escape it in a query, against scripts that print queries",
	}
	var typed []string
	for c := byte('!'); c < 0x7f; c++ {
		if strings.IndexByte("#%?\\", c) < 0 { // these do not stand for themselves, or are refused
			typed = append(typed, "/a"+string(rune(c))+"b", "/?a"+string(rune(c))+"b")
		}
	}
	for i, node := range byNode(t, typed) {
		ours := sent(t, typed[i])
		if ours == node {
			continue
		}
		where := string(typed[i][len(typed[i])-2])
		if strings.Contains(typed[i], "?") {
			where = "?" + where
		} else {
			where = "/" + where
		}
		if differences[where] == "" {
			t.Errorf("%q is sent as %q, by Node as %q", typed[i], ours, node)
		}
		a, err := url.PathUnescape(ours)
		b, nodes := url.PathUnescape(node)
		if err != nil || nodes != nil || a != b {
			t.Errorf("%q is sent as %q, which is not what Node's %q means", typed[i], ours, node)
		}
	}
}

// Forms that a browser resolves before it sends, and that stay here: the URL is
// the receiver's to define, and curl --path-as-is and net/http send it so too.
func TestFormsThatNodeResolves(t *testing.T) {
	t.Parallel()
	typed := []string{"/a/../b", "/a/./b", "/a/%2e%2E/b", "/..", "/a/..?x"}
	for i, node := range byNode(t, typed) {
		if got := sent(t, typed[i]); got != typed[i] || got == node {
			t.Errorf("%q is sent as %q, by Node as %q", typed[i], got, node)
		}
	}
}
