package signature_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	const id = "evt_1"
	now := time.Unix(1_800_000_000, 0)
	secret, other := newSecret(t), newSecret(t)
	body := []byte(`{"id":"evt_1","data":{"status":"completed","duration":180}}`)
	pretty := "{\n  \"id\": \"evt_1\",\n  \"data\": { \"status\": \"completed\", \"duration\": 180 }\n}"
	sent := body
	changed := []byte(strings.Replace(string(body), "180", "181", 1))
	dialNote := signature.DialNote(secret, body)
	standard := func(secret string, at time.Time, body []byte) signature.StandardHeaders {
		text, err := signature.Standard(secret, id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		return signature.StandardHeaders{ID: id, Timestamp: strconv.FormatInt(at.Unix(), 10), Signature: text}
	}
	good := standard(secret, now, body)
	digest, err := hex.DecodeString(strings.TrimPrefix(dialNote, "sha256="))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(h signature.StandardHeaders, change func(*signature.StandardHeaders)) signature.StandardHeaders {
		change(&h)
		return h
	}
	withKey := func(key, body string) string {
		return signature.DialNote(key, []byte(body))
	}

	for name, c := range map[string]struct {
		header   string
		standard signature.StandardHeaders
		body     []byte
		sent     []byte
		want     signature.Verdict
	}{
		"a match":                 {header: dialNote, body: body, want: signature.Matches},
		"spaces around the value": {header: " " + dialNote + "\n", body: body, want: signature.Matches},
		"no prefix":               {header: strings.TrimPrefix(dialNote, "sha256="), body: body, want: signature.Prefix},
		"upper case":              {header: "sha256=" + strings.ToUpper(strings.TrimPrefix(dialNote, "sha256=")), body: body, want: signature.Encoding},
		"base64":                  {header: "sha256=" + base64.StdEncoding.EncodeToString(digest), body: body, want: signature.Encoding},
		"not a signature":         {header: "sha256=abc", body: body, want: signature.BadForm},
		"the other scheme's":      {header: good.Signature, body: body, want: signature.Scheming},
		"the key without whsec_":  {header: withKey(strings.TrimPrefix(secret, "whsec_"), string(body)), body: body, want: signature.HalfKey},
		"the body with a newline": {header: dialNote, body: []byte(string(body) + "\r\n"), want: signature.WhiteSpace},
		"the body indented":       {header: dialNote, body: []byte(pretty), want: signature.Reserialised},
		"the body changed":        {header: dialNote, body: changed, sent: sent, want: signature.ChangedBytes},
		"changed, and unknown":    {header: dialNote, body: changed, want: signature.Differs},
		"another webhook's key":   {header: withKey(other, string(body)), body: body, want: signature.OtherKey},
		"another one's, indented": {header: withKey(other, string(body)), body: []byte(pretty), want: signature.OtherKey},
		"an unknown key":          {header: withKey("whsec_x", string(body)), body: body, sent: sent, want: signature.UnknownKey},
		"unknown key and body":    {header: withKey("whsec_x", string(body)), body: body, want: signature.Differs},

		"standard":                       {standard: good, body: body, want: signature.Matches},
		"standard, old":                  {standard: standard(secret, now.Add(-signature.Tolerance-time.Second), body), body: body, want: signature.TooOld},
		"standard, as old as it may be":  {standard: standard(secret, now.Add(-signature.Tolerance), body), body: body, want: signature.Matches},
		"standard, early":                {standard: standard(secret, now.Add(signature.Tolerance+time.Second), body), body: body, want: signature.TooNew},
		"standard, no id":                {standard: edit(good, func(h *signature.StandardHeaders) { h.ID = "" }), body: body, want: signature.NoTime},
		"standard, no timestamp":         {standard: edit(good, func(h *signature.StandardHeaders) { h.Timestamp = "" }), body: body, want: signature.NoTime},
		"standard, other timestamp":      {standard: edit(good, func(h *signature.StandardHeaders) { h.Timestamp = "1800000001" }), body: body, sent: sent, want: signature.UnknownKey},
		"standard, dialnote's":           {standard: edit(good, func(h *signature.StandardHeaders) { h.Signature = dialNote }), body: body, want: signature.Scheming},
		"standard, no version":           {standard: edit(good, func(h *signature.StandardHeaders) { h.Signature = strings.TrimPrefix(h.Signature, "v1,") }), body: body, want: signature.Prefix},
		"standard, another version only": {standard: edit(good, func(h *signature.StandardHeaders) { h.Signature = "v1a,xyz" }), body: body, want: signature.BadForm},
		"standard, one of several":       {standard: edit(good, func(h *signature.StandardHeaders) { h.Signature = "v1a,xyz " + h.Signature }), body: body, want: signature.Matches},
		"standard, indented":             {standard: good, body: []byte(pretty), want: signature.Reserialised},
		"standard, changed":              {standard: good, body: changed, sent: sent, want: signature.ChangedBytes},
		"standard, another webhook's":    {standard: standard(other, now, body), body: body, want: signature.OtherKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := signature.Diagnose(
				signature.Received{DialNote: c.header, Standard: c.standard, Body: c.body},
				signature.Known{Secret: webhook.Secret(secret), Sent: c.sent, Others: map[string]webhook.Secret{"wh_2": webhook.Secret(other)}}, now)
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			if list[0].Verdict != c.want {
				t.Errorf("%s, want %s", list[0].Verdict, c.want)
			}
			if (list[0].Other == "wh_2") != (c.want == signature.OtherKey) {
				t.Errorf("other %q", list[0].Other)
			}
		})
	}
	if list, err := signature.Diagnose(signature.Received{DialNote: dialNote, Standard: good, Body: body}, signature.Known{Secret: webhook.Secret(secret)}, now); err != nil || len(list) != 2 {
		t.Errorf("both at once: %+v, %v", list, err)
	}
	if _, err := signature.Diagnose(signature.Received{DialNote: dialNote}, signature.Known{Secret: "x"}, now); !errors.Is(err, signature.ErrSecret) {
		t.Errorf("no secret: %v", err)
	}
}
