package app_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// wrong is one wrong request and what must come of it.
type wrong struct {
	call
	status   int
	pointers []string // every wrong field, in order
	detail   string   // of the first field, or of the problem; "" for any
}

// refused makes each request and checks that it is refused as it should be and
// that nothing has changed.
func refused(t *testing.T, s *system, cases map[string]wrong) {
	t.Helper()
	before := s.do(t, call{path: webhooks}).want(t, http.StatusOK).text
	for name, tc := range cases {
		p := s.do(t, tc.call).problem(t, tc.status)
		if tc.pointers != nil && !slices.Equal(p.pointers(), tc.pointers) {
			t.Errorf("%s: wrong fields %q, want %q: %s", name, p.pointers(), tc.pointers, p.Detail)
		}
		detail := p.Detail
		if len(p.Errors) > 0 {
			detail = p.Errors[0].Detail
		}
		if tc.detail != "" && detail != tc.detail {
			t.Errorf("%s: detail %q, want %q", name, detail, tc.detail)
		}
	}
	if after := s.do(t, call{path: webhooks}).want(t, http.StatusOK).text; !bytes.Equal(before, after) {
		t.Errorf("a refused request changed something:\n%s\n%s", before, after)
	}
	if n := len(s.queue.published); n > 0 {
		t.Errorf("%d events were published by refused requests", n)
	}
}

// set returns the good body with one field replaced by a JSON text, or removed.
func set(field, value string) string {
	fields := map[string]string{
		"name": `"CRM"`, "provider": `"custom"`, "url": `"https://crm.example.com/"`, "event": `"call.completed"`,
	}
	fields[field] = value
	var parts []string
	for _, name := range []string{"name", "provider", "url", "event"} {
		if fields[name] != "" {
			parts = append(parts, `"`+name+`":`+fields[name])
		}
		delete(fields, name)
	}
	for name, text := range fields {
		parts = append(parts, `"`+name+`":`+text)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// chunked hides the length of a body.
func chunked(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }

// unreadable are the ways in which no JSON operation can read a body.
func unreadable(method, path string) map[string]wrong {
	at := func(body string) call { return call{method: method, path: path, body: body} }
	with := func(name, value string) call {
		return call{method: method, path: path, body: "{}", header: map[string]string{name: value}}
	}
	large := `{"name":"` + strings.Repeat("x", 2<<20) + `"}`
	return map[string]wrong{
		"broken":               {call: at(`{"name":`), status: 400},
		"trailing garbage":     {call: at(`{} x`), status: 400},
		"two values":           {call: at(`{}{}`), status: 400},
		"a comment":            {call: at(`{/**/}`), status: 400},
		"single quotes":        {call: at(`{'name':1}`), status: 400},
		"raw NUL":              {call: at("{\"name\":\"a\x00b\"}"), status: 400},
		"raw line break":       {call: at("{\"name\":\"a\nb\"}"), status: 400},
		"broken UTF-8":         {call: at("{\"name\":\"a\xff\"}"), status: 400},
		"byte order mark":      {call: at("\ufeff{}"), status: 400},
		"spaces only":          {call: at("   "), status: 400},
		"deep nesting":         {call: at(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)), status: 400},
		"no content type":      {call: with("Content-Type", ""), status: 415},
		"form content type":    {call: with("Content-Type", "application/x-www-form-urlencoded"), status: 415},
		"text content type":    {call: with("Content-Type", "text/plain"), status: 415},
		"broken content type":  {call: with("Content-Type", "application/json; charset"), status: 415},
		"latin content type":   {call: with("Content-Type", "application/json; charset=iso-8859-1"), status: 415},
		"compressed":           {call: with("Content-Encoding", "gzip"), status: 415},
		"too large":            {call: at(large), status: 413},
		"too large, chunked":   {call: call{method: method, path: path, reader: chunked(large)}, status: 413},
		"unknown parameter":    {call: call{method: method, path: path + "?colour=red", body: "{}"}, status: 400, pointers: []string{"colour"}},
		"unreadable query":     {call: call{method: method, path: path + "?a=%zz", body: "{}"}, status: 400},
		"impossible org":       {call: call{method: method, path: strings.Replace(path, "acme", "ac.me", 1), body: "{}"}, status: 404},
		"too long org":         {call: call{method: method, path: strings.Replace(path, "acme", strings.Repeat("a", 65), 1), body: "{}"}, status: 404},
		"org with an escape":   {call: call{method: method, path: strings.Replace(path, "acme", "ac%2Fme", 1), body: "{}"}, status: 404},
		"org with a control":   {call: call{method: method, path: strings.Replace(path, "acme", "ac%00me", 1), body: "{}"}, status: 404},
		"org with line breaks": {call: call{method: method, path: strings.Replace(path, "acme", "acme%0a", 1), body: "{}"}, status: 404},
	}
}

func TestCreateRefusesWrongInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.create(t)
	at := func(body string) call { return call{method: http.MethodPost, path: webhooks, body: body} }
	cases := unreadable(http.MethodPost, webhooks)
	maps.Copy(cases, map[string]wrong{
		"empty body":   {call: call{method: http.MethodPost, path: webhooks, reader: strings.NewReader("")}, status: 400, detail: "The body is empty. Send a JSON object."},
		"an array":     {call: at(`[]`), status: 422, pointers: []string{""}, detail: "The body must be an object, not an array."},
		"null":         {call: at(`null`), status: 422, pointers: []string{""}},
		"a number":     {call: at(`1e999999999`), status: 422, pointers: []string{""}, detail: "The body must be an object, not a number."},
		"a string":     {call: at(`"x"`), status: 422, pointers: []string{""}},
		"empty object": {call: at(`{}`), status: 422, pointers: []string{"/name", "/provider", "/url", "/event"}, detail: "name is required."},

		"no name":               {call: at(set("name", "")), status: 422, pointers: []string{"/name"}, detail: "name is required."},
		"empty name":            {call: at(set("name", `""`)), status: 422, pointers: []string{"/name"}, detail: "name is required."},
		"blank name":            {call: at(set("name", `"  \t "`)), status: 422, pointers: []string{"/name"}, detail: "name is required."},
		"long name":             {call: at(set("name", `"`+strings.Repeat("é", 104)+`"`)), status: 422, pointers: []string{"/name"}, detail: "name is too long: 104 characters, at most 100."},
		"name with NUL":         {call: at(set("name", `"a\u0000b"`)), status: 422, pointers: []string{"/name"}},
		"name with line break":  {call: at(set("name", `"a\nb"`)), status: 422, pointers: []string{"/name"}},
		"half a surrogate pair": {call: at(set("name", `"\ud800"`)), status: 400},
		"the other half":        {call: at(set("name", `"a\\\udc00"`)), status: 400},
		"name a number":         {call: at(set("name", `5`)), status: 422, pointers: []string{"/name"}, detail: "name must be a string, not a number."},
		"name a huge number":    {call: at(set("name", `-1e99999999`)), status: 422, pointers: []string{"/name"}},
		"name null":             {call: at(set("name", `null`)), status: 422, pointers: []string{"/name"}, detail: "name must not be null: give a string."},
		"name deep":             {call: at(set("name", strings.Repeat("[", 5000)+strings.Repeat("]", 5000))), status: 422, pointers: []string{"/name"}},
		"name an object":        {call: at(set("name", `{"a":1,"a":2}`)), status: 422, pointers: []string{"/name", "/name/a"}},

		"unknown provider": {call: at(set("provider", `"make"`)), status: 422, pointers: []string{"/provider"}, detail: "provider must be custom or zapier."},
		"provider null":    {call: at(set("provider", `null`)), status: 422, pointers: []string{"/provider"}},
		"zapier elsewhere": {call: at(set("provider", `"zapier"`)), status: 422, pointers: []string{"/url"}},

		"no url":            {call: at(set("url", "")), status: 422, pointers: []string{"/url"}},
		"empty url":         {call: at(set("url", `""`)), status: 422, pointers: []string{"/url"}},
		"http url":          {call: at(set("url", `"http://crm.example.com/"`)), status: 422, pointers: []string{"/url"}},
		"private url":       {call: at(set("url", `"https://10.0.0.1/"`)), status: 422, pointers: []string{"/url"}},
		"metadata url":      {call: at(set("url", `"https://169.254.169.254/"`)), status: 422, pointers: []string{"/url"}},
		"localhost":         {call: at(set("url", `"https://localhost/"`)), status: 422, pointers: []string{"/url"}},
		"url with password": {call: at(set("url", `"https://u:p@crm.example.com/"`)), status: 422, pointers: []string{"/url"}},
		"url with NUL":      {call: at(set("url", `"https://crm.example.com/\u0000"`)), status: 422, pointers: []string{"/url"}},
		"url with a port":   {call: at(set("url", `"https://crm.example.com:22/"`)), status: 422, pointers: []string{"/url"}},
		"long url":          {call: at(set("url", `"https://crm.example.com/`+strings.Repeat("x", 2048)+`"`)), status: 422, pointers: []string{"/url"}},
		"long url in bytes": {call: at(set("url", `"https://crm.example.com/`+strings.Repeat("é", 1100)+`"`)), status: 422, pointers: []string{"/url"}},
		"relative url":      {call: at(set("url", `"/hooks"`)), status: 422, pointers: []string{"/url"}},
		"url an array":      {call: at(set("url", `["https://a.example.com"]`)), status: 422, pointers: []string{"/url"}},

		"no event":      {call: at(set("event", "")), status: 422, pointers: []string{"/event"}, detail: "event is required."},
		"unknown event": {call: at(set("event", `"call.started"`)), status: 422, pointers: []string{"/event"}, detail: "event must be call.completed, recording.completed, note.created or disabled."},
		"two events":    {call: at(set("event", `["call.completed","note.created"]`)), status: 422, pointers: []string{"/event"}},

		"unknown field":          {call: at(set("colour", `"red"`)), status: 422, pointers: []string{"/colour"}, detail: "colour is not a field of a webhook."},
		"capital field":          {call: at(set("Name", `"x"`)), status: 422, pointers: []string{"/Name"}},
		"field of odd name":      {call: at(set("a/b~c\\n", `1`)), status: 422, pointers: []string{"/a~1b~0c\n"}},
		"secret":                 {call: at(set("secret", `"whsec_x"`)), status: 422, pointers: []string{"/secret"}, detail: "secret cannot be chosen: it is made with the webhook and is in the answer."},
		"id":                     {call: at(set("id", `"wh_x"`)), status: 422, pointers: []string{"/id"}},
		"organizationId":         {call: at(set("organizationId", `"globex"`)), status: 422, pointers: []string{"/organizationId"}},
		"name twice":             {call: at(`{"name":"a","name":"b","provider":"custom","url":"https://crm.example.com/","event":"disabled"}`), status: 422, pointers: []string{"/name"}, detail: "name is given twice. Give it once."},
		"name twice, escaped":    {call: at(`{"name":"a","n\u0061me":"b","provider":"custom","url":"https://crm.example.com/","event":"disabled"}`), status: 422, pointers: []string{"/name"}},
		"everything, all told":   {call: at(`{"name":"","provider":5,"url":"x","event":"y","colour":1}`), status: 422, pointers: []string{"/name", "/provider", "/url", "/event", "/colour"}},
		"merge patch":            {call: call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Content-Type": "application/merge-patch+json"}}, status: 415},
		"broken idempotency key": {call: call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Idempotency-Key": "a b"}}, status: 400, pointers: []string{"Idempotency-Key"}},
		"quotes only as the key": {call: call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Idempotency-Key": `""`}}, status: 400, pointers: []string{"Idempotency-Key"}},
		"long idempotency key":   {call: call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, status: 400, pointers: []string{"Idempotency-Key"}},
		"longer idempotency key": {call: call{method: http.MethodPost, path: webhooks, body: good, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 900)}}, status: 400, pointers: []string{"Idempotency-Key"}},
	})
	refused(t, s, cases)
}

func TestUpdateRefusesWrongInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := webhooks + "/" + s.create(t)
	at := func(body string) call { return call{method: http.MethodPatch, path: path, body: body} }
	cases := unreadable(http.MethodPatch, path)
	maps.Copy(cases, map[string]wrong{
		"empty body":       {call: call{method: http.MethodPatch, path: path, reader: strings.NewReader("")}, status: 400},
		"an array":         {call: at(`[{"op":"replace"}]`), status: 422, pointers: []string{""}},
		"provider":         {call: at(`{"provider":"zapier"}`), status: 422, pointers: []string{"/provider"}, detail: "provider cannot be changed: delete the webhook and create a new one."},
		"secret":           {call: at(`{"secret":"whsec_x"}`), status: 422, pointers: []string{"/secret"}, detail: "secret cannot be changed: delete the webhook and create a new one."},
		"status":           {call: at(`{"status":"active"}`), status: 422, pointers: []string{"/status"}},
		"name null":        {call: at(`{"name":null}`), status: 422, pointers: []string{"/name"}},
		"all null":         {call: at(`{"name":null,"url":null,"event":null}`), status: 422, pointers: []string{"/name", "/url", "/event"}},
		"long name":        {call: at(`{"name":"` + strings.Repeat("n", 101) + `"}`), status: 422, pointers: []string{"/name"}},
		"one good one bad": {call: at(`{"name":"New name","url":"http://x.example.com"}`), status: 422, pointers: []string{"/url"}},
		"several":          {call: at(`{"name":"","url":"x","event":1,"id":"wh_1"}`), status: 422, pointers: []string{"/name", "/url", "/event", "/id"}},
		"stale":            {call: call{method: http.MethodPatch, path: path, body: `{"name":"x"}`, header: map[string]string{"If-Match": `"7"`}}, status: 412},
		"empty If-Match":   {call: call{method: http.MethodPatch, path: path, body: `{"name":"x"}`, header: map[string]string{"If-Match": ` `}}, status: 400, pointers: []string{"If-Match"}},
		"impossible id":    {call: call{method: http.MethodPatch, path: webhooks + "/1", body: `{"name":"x"}`}, status: 404},
		"unknown id":       {call: call{method: http.MethodPatch, path: webhooks + "/wh_01jd9v7q6w3k8m5n2p4r6t8v0x", body: `{"name":"x"}`}, status: 404},
		"SQL as id":        {call: call{method: http.MethodPatch, path: webhooks + "/wh_'%20OR%201=1--", body: `{"name":"x"}`}, status: 404},
	})
	refused(t, s, cases)
}

func TestEnableRefusesWrongInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t)
	s.fail(t, id)
	path := webhooks + "/" + id + "/enable"
	at := func(body string) call { return call{method: http.MethodPost, path: path, body: body} }
	cases := unreadable(http.MethodPost, path)
	maps.Copy(cases, map[string]wrong{
		"unknown choice": {call: at(`{"heldEvents":"keep"}`), status: 422, pointers: []string{"/heldEvents"}, detail: "heldEvents must be deliver or discard."},
		"null":           {call: at(`{"heldEvents":null}`), status: 422, pointers: []string{"/heldEvents"}},
		"unknown field":  {call: at(`{"events":"deliver"}`), status: 422, pointers: []string{"/events"}},
		"an array":       {call: at(`[]`), status: 422, pointers: []string{""}},
	})
	refused(t, s, cases)
}

func TestEventsRefuseWrongInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	const data = `{"callSid":"CA1","direction":"inbound","phoneNumber":"+15550100123","status":"completed","duration":3}`
	at := func(body string) call { return call{method: http.MethodPost, path: events, body: body} }
	cases := unreadable(http.MethodPost, events)
	delete(cases, "deep nesting") // read as far as it goes and refused for its depth
	maps.Copy(cases, map[string]wrong{
		"empty body":         {call: call{method: http.MethodPost, path: events, reader: strings.NewReader("")}, status: 400},
		"an array":           {call: at(`[]`), status: 422, pointers: []string{""}},
		"deep nesting":       {call: at(strings.Repeat("[", 20_000)), status: 422},
		"empty object":       {call: at(`{}`), status: 422},
		"unknown type":       {call: at(`{"type":"call.started","data":` + data + `}`), status: 422, pointers: []string{"/type"}},
		"unknown field":      {call: at(`{"type":"call.completed","colour":1,"data":` + data + `}`), status: 422, pointers: []string{"/colour"}},
		"type twice":         {call: at(`{"type":"call.completed","type":"call.completed","data":` + data + `}`), status: 422, pointers: []string{"/type"}},
		"id with a dot":      {call: at(`{"id":"a.b","type":"call.completed","data":` + data + `}`), status: 422, pointers: []string{"/id"}},
		"other organization": {call: at(`{"organizationId":"globex","type":"call.completed","data":` + data + `}`), status: 422, pointers: []string{"/organizationId"}},
		"data missing":       {call: at(`{"type":"call.completed"}`), status: 422},
		"data null":          {call: at(`{"type":"call.completed","data":null}`), status: 422},
		"data incomplete":    {call: at(`{"type":"call.completed","data":{"direction":"sideways","duration":-1}}`), status: 422},
		"data too large":     {call: at(`{"type":"call.completed","data":{"x":"` + strings.Repeat("x", 70_000) + `",` + data[1:] + `}`), status: 422},
		"__proto__":          {call: at(`{"type":"call.completed","data":{"__proto__":{},` + data[1:] + `}`), status: 422},
		"wrong timestamp":    {call: at(`{"timestamp":"yesterday","type":"call.completed","data":` + data + `}`), status: 422, pointers: []string{"/timestamp"}},
	})
	refused(t, s, cases)
}

func TestWrongParametersAreNamed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.create(t)
	refused(t, s, map[string]wrong{
		"limit 0":          {call: call{path: webhooks + "?limit=0"}, status: 400, pointers: []string{"limit"}, detail: "limit must be at least 1."},
		"limit 101":        {call: call{path: webhooks + "?limit=101"}, status: 400, pointers: []string{"limit"}, detail: "limit must be at most 100."},
		"limit text":       {call: call{path: webhooks + "?limit=ten"}, status: 400, pointers: []string{"limit"}, detail: "limit must be a whole number."},
		"limit huge":       {call: call{path: webhooks + "?limit=99999999999999999999"}, status: 400, pointers: []string{"limit"}},
		"limit empty":      {call: call{path: webhooks + "?limit="}, status: 400, pointers: []string{"limit"}},
		"limit twice":      {call: call{path: webhooks + "?limit=1&limit=2"}, status: 400, pointers: []string{"limit"}, detail: "limit is given twice. Give it once."},
		"cursor text":      {call: call{path: webhooks + "?cursor=next"}, status: 400, pointers: []string{"cursor"}},
		"cursor empty":     {call: call{path: webhooks + "?cursor="}, status: 400, pointers: []string{"cursor"}},
		"cursor foreign":   {call: call{path: webhooks + "?cursor=MXdoX3gnIE9SIDE9MQ"}, status: 400, pointers: []string{"cursor"}},
		"cursor long":      {call: call{path: webhooks + "?cursor=" + strings.Repeat("A", 300)}, status: 400, pointers: []string{"cursor"}},
		"cursor with NUL":  {call: call{path: webhooks + "?cursor=%00"}, status: 400, pointers: []string{"cursor"}},
		"several":          {call: call{path: webhooks + "?limit=x&cursor=&b=1&a=1"}, status: 400, pointers: []string{"limit", "cursor", "a", "b"}},
		"secret, unknown":  {call: call{path: webhooks + "/wh_01jd9v7q6w3k8m5n2p4r6t8v0x/secret"}, status: 404},
		"get, bad id":      {call: call{path: webhooks + "/wh_UPPER"}, status: 404},
		"delete, bad id":   {call: call{method: http.MethodDelete, path: webhooks + "/wh_%00"}, status: 404},
		"delete, bad etag": {call: call{method: http.MethodDelete, path: webhooks + "/wh_01jd9v7q6w3k8m5n2p4r6t8v0x", header: map[string]string{"If-Match": "1"}}, status: 400, pointers: []string{"If-Match"}},
	})
}
