package webhook_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func withHeaders(t *testing.T, headers ...webhook.Header) (webhook.Webhook, []fault.Field) {
	t.Helper()
	d := good()
	d.Headers = headers
	return rules().New("wh_1", "acme", "", d, noon())
}

func TestHeadersOfANewWebhook(t *testing.T) {
	t.Parallel()
	w, wrong := withHeaders(t, webhook.Header{Name: "X-Zeta", Value: "\t a\tb c \n"}, webhook.Header{Name: " authorization\u200b", Value: "\u00a0Bearer x\ufeff"})
	want := []webhook.Header{{Name: "authorization", Value: "Bearer x"}, {Name: "X-Zeta", Value: "a\tb c"}}
	if len(wrong) > 0 || !slices.Equal(w.Headers, want) {
		t.Errorf("%q, %v", names(w.Headers), wrong)
	}
	if w, wrong := withHeaders(t); w.Headers != nil || len(wrong) > 0 {
		t.Errorf("none: %v, %v", w.Headers, wrong)
	}
}

func names(headers []webhook.Header) (all []string) {
	for _, h := range headers {
		all = append(all, h.Name+": "+h.Value.Reveal())
	}
	return all
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", webhook.MaxHeaderName)
	tests := map[string]struct {
		name, value string
		pointer     string // "" when it is taken
		detail      string
	}{
		"plain":              {"x-make-apikey", "k", "", ""},
		"every token sign":   {"!#$%&'*+-.^_`|~09azAZ", "k", "", ""},
		"every value sign":   {"X-A", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \taz", "", ""},
		"longest name":       {long, "k", "", ""},
		"name too long":      {long + "n", "k", "/headers/" + long + "n", "129 bytes, at most 128"},
		"longest value":      {"X-A", strings.Repeat("v", webhook.MaxHeaderValue), "", ""},
		"value too long":     {"X-A", strings.Repeat("v", webhook.MaxHeaderValue+1), "/headers/X-A", "1025 bytes, at most 1024"},
		"no name":            {"", "k", "/headers/", "is no name"},
		"name with space":    {"X A", "k", "/headers/X A", `"X A" is no name`},
		"name with colon":    {"X-A:", "k", "/headers/X-A:", "is no name"},
		"name with newline":  {"X\r\nHost", "k", "/headers/X\r\nHost", "is no name"},
		"name beyond ASCII":  {"X-Ä", "k", "/headers/X-Ä", "is no name"},
		"pointer is escaped": {"~/", "k", "/headers/~0~1", "is no name"},
		"no value":           {"X-A", "", "/headers/X-A", "needs a value"},
		"name of a space":    {"\u200b", "k", "/headers/\u200b", `"\u200b" is no name`},
		"value of nothing":   {"X-A", "\u200b\ufeff", "/headers/X-A", "needs a value"},
		"value of spaces":    {"X-A", " \t\r\n", "/headers/X-A", "needs a value"},
		"value in two lines": {"X-A", "a\r\nX-B: c", "/headers/X-A", "characters that a header cannot have"},
		"value with NUL":     {"X-A", "a\x00b", "/headers/X-A", "cannot have"},
		"value with DEL":     {"X-A", "a\x7fb", "/headers/X-A", "cannot have"},
		"value beyond ASCII": {"X-A", "café", "/headers/X-A", "cannot have"},
		"value is the mask":  {"X-A", webhook.HeaderMask, "/headers/X-A", "the mask"},
		"longer than mask":   {"X-A", webhook.HeaderMask + "*", "", ""},
	}
	for name, tt := range tests {
		_, wrong := withHeaders(t, webhook.Header{Name: tt.name, Value: webhook.HeaderValue(tt.value)})
		switch {
		case tt.pointer == "" && len(wrong) > 0:
			t.Errorf("%s: refused with %v", name, wrong)
		case tt.pointer != "" && (len(wrong) != 1 || wrong[0].Pointer != tt.pointer || !strings.Contains(wrong[0].Detail, tt.detail)):
			t.Errorf("%s: %q", name, wrong)
		}
	}
}

func TestReservedHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Content-Type", "content-length", "Content-Encoding", "USER-AGENT", "X-DialNote-Signature", "x-dialnote-anything",
		"webhook-id", "Webhook-Signature", "Host", "Transfer-Encoding", "Connection", "Cookie", "TE", "Trailer", "Upgrade",
		"Keep-Alive", "Expect", "Proxy-Authorization", "proxy-connection", "Accept-Encoding", "Via", "Forwarded",
		"X-Forwarded-For", "X-Real-IP", "Idempotency-Key", "X-Idempotency-Key", "If-None-Match", "Range", "Date",
		"X-HTTP-Method-Override", "HTTP2-Settings",
		// as receivers of the CGI family read them
		"X_DialNote_Signature", "X-DialNote_Signature", "x_dialnote_event", "X.DialNote.Signature", "Webhook_Id", "webhook_signature",
		"Content_Length", "CONTENT_TYPE", "Content~Length", "X_Forwarded_For", "Transfer_Encoding", "User_Agent", "If_Match", "Idempotency_Key",
		// of proxies
		"X-Forwarded-Host", "X-Forwarded", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL", "CF-Connecting-IP", "CF_Connecting_IP", "cf-ray",
		"True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Envoy-External-Address", "X-Remote-User", "Remote-User",
		"X-SSL-Client-Verify", "SSL-Client-Cert", "X-Auth-Request-User", "X-Amzn-Oidc-Identity", "X-Goog-IAP-JWT-Assertion", "X-MS-Client-Principal-Name",
		"X-AppEngine-User-Email", "X-Azure-ClientIP",
	} {
		if _, wrong := withHeaders(t, webhook.Header{Name: name, Value: "x"}); len(wrong) != 1 || !strings.Contains(wrong[0].Detail, "cannot be set") {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	for _, name := range []string{"Authorization", "x-make-apikey", "X-API-Key", "Accept", "X-Webhook-Id", "X-DialNote", "Hostname", "X-Host", "Contents", "X_API_Key", "api_key", "X-Goog-Api-Key", "X-Amz-Date", "X-Auth-Token", "X-Functions-Key", "CFO"} {
		if _, wrong := withHeaders(t, webhook.Header{Name: name, Value: "x"}); len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

func TestTooManyHeaders(t *testing.T) {
	t.Parallel()
	var many []webhook.Header
	for i := range webhook.MaxHeaders + 1 {
		many = append(many, webhook.Header{Name: fmt.Sprintf("X-%d", i), Value: "v"})
	}
	if w, wrong := withHeaders(t, many[1:]...); len(wrong) > 0 || len(w.Headers) != webhook.MaxHeaders {
		t.Errorf("ten: %v", wrong)
	}
	if _, wrong := withHeaders(t, many...); len(wrong) != 1 || wrong[0].Pointer != "/headers" || !strings.Contains(wrong[0].Detail, "11 entries, at most 10") {
		t.Errorf("eleven: %v", wrong)
	}
}

func TestChangesOfHeaders(t *testing.T) {
	t.Parallel()
	const mask = webhook.HeaderMask
	set := func(name, value string) webhook.HeaderChange {
		return webhook.HeaderChange{Name: name, Value: webhook.HeaderValue(value)}
	}
	remove := func(name string) webhook.HeaderChange { return webhook.HeaderChange{Name: name, Remove: true} }
	for name, tt := range map[string]struct {
		changes []webhook.HeaderChange
		want    string // names and values, joined
		wrong   string // the pointers, joined
	}{
		"nothing":                    {nil, "Cookie: old|X-A: 1|X-B: 2", ""},
		"a new one":                  {[]webhook.HeaderChange{set("X-C", "3")}, "Cookie: old|X-A: 1|X-B: 2|X-C: 3", ""},
		"another value":              {[]webhook.HeaderChange{set("X-A", "9")}, "Cookie: old|X-A: 9|X-B: 2", ""},
		"in another case":            {[]webhook.HeaderChange{set("x-a", "9")}, "Cookie: old|x-a: 9|X-B: 2", ""},
		"the mask keeps the value":   {[]webhook.HeaderChange{set("x-A", mask), set("X-B", mask)}, "Cookie: old|X-A: 1|X-B: 2", ""},
		"the mask of a new one":      {[]webhook.HeaderChange{set("X-C", mask)}, "", "/headers/X-C"},
		"one goes":                   {[]webhook.HeaderChange{remove("x-a")}, "Cookie: old|X-B: 2", ""},
		"one goes that is not there": {[]webhook.HeaderChange{remove("X-C")}, "Cookie: old|X-A: 1|X-B: 2", ""},
		"all go":                     {[]webhook.HeaderChange{remove("X-A"), remove("X-B"), remove("cookie")}, "", ""},
		"one name twice":             {[]webhook.HeaderChange{set("X-C", "1"), set("x-c", "2")}, "", "/headers/x-c"},
		"one name twice, with space": {[]webhook.HeaderChange{set("X-C", "1"), set(" x-c", "2")}, "", "/headers/ x-c"},
		"pasted with spaces":         {[]webhook.HeaderChange{set("\u00a0X-a ", "9"), remove(" x-b ")}, "Cookie: old|X-a: 9", ""},
		"set and removed":            {[]webhook.HeaderChange{set("X-C", "1"), remove("x-c")}, "", "/headers/x-c"},
		"two wrong ones":             {[]webhook.HeaderChange{set("Host", "1"), set("X-C", "")}, "", "/headers/Host /headers/X-C"},
		"what is reserved by now":    {[]webhook.HeaderChange{set("Cookie", "new")}, "", "/headers/Cookie"},
	} {
		before := webhook.Webhook{
			Name: "n", URL: "https://a.example.com/", Event: webhook.SendNotes, UpdatedAt: noon(),
			Headers: []webhook.Header{{Name: "Cookie", Value: "old"}, {Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}},
		}
		kept := slices.Clone(before.Headers)
		after, wrong := rules().Apply(before, webhook.Change{Headers: tt.changes}, noon().AddDate(1, 0, 0))
		var pointers []string
		for _, f := range wrong {
			pointers = append(pointers, f.Pointer)
		}
		if got := strings.Join(pointers, " "); got != tt.wrong {
			t.Errorf("%s: wrong are %q, want %q", name, got, tt.wrong)
		}
		if got := strings.Join(names(after.Headers), "|"); tt.wrong == "" && got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if changed := !slices.Equal(after.Headers, kept); tt.wrong == "" && after.UpdatedAt.Equal(noon()) == changed {
			t.Errorf("%s: changed %v, updated at %s", name, changed, after.UpdatedAt)
		}
		if !slices.Equal(before.Headers, kept) {
			t.Errorf("%s: the webhook before it has changed", name)
		}
	}
}

func TestAHeadersValueDoesNotPrint(t *testing.T) {
	t.Parallel()
	h := webhook.Header{Name: "X-A", Value: "hidden"}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(h), fmt.Sprintf("%+v", h), fmt.Sprintf("%#v", h), fmt.Sprintf("%s %q", h.Value, h.Value), string(text)} {
		if strings.Contains(printed, "hidden") || !strings.Contains(printed, "***") {
			t.Errorf("printed as %s", printed)
		}
	}
}
