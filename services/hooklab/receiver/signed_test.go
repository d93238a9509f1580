package receiver_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

const (
	secret = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
	other  = "whsec_GBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB"
)

// signed signs a body in both ways, spelled out here from the specification and
// not with the code under test.
func signed(t *testing.T, url, eventID, deliveryID, body, secret string, at time.Time) *http.Request {
	t.Helper()
	req := request(t, url, body)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	standard := hmac.New(sha256.New, key)
	timestamp := strconv.FormatInt(at.Unix(), 10)
	standard.Write([]byte(eventID + "." + timestamp + "." + body))
	req.Header.Set("X-DialNote-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("X-DialNote-Event", "call.completed")
	req.Header.Set("X-DialNote-Delivery", deliveryID)
	req.Header.Set("webhook-id", eventID)
	req.Header.Set("webhook-timestamp", timestamp)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(standard.Sum(nil)))
	return req
}

func do(t *testing.T, req *http.Request) {
	t.Helper()
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name               string
		expect             []string
		change             func(*http.Request)
		at                 time.Time
		dialNote, standard receiver.Verdict
	}{
		{name: "right", expect: []string{secret}, dialNote: receiver.Verified, standard: receiver.Verified},
		{name: "one of two secrets", expect: []string{other, secret}, dialNote: receiver.Verified, standard: receiver.Verified},
		{name: "no secret known", dialNote: receiver.Unverified, standard: receiver.Unverified},
		{name: "another secret", expect: []string{other}, dialNote: receiver.Wrong, standard: receiver.Wrong},
		{name: "too old", expect: []string{secret}, at: now.Add(-10 * time.Minute), dialNote: receiver.Verified, standard: receiver.Wrong},
		{name: "other id", expect: []string{secret}, change: func(r *http.Request) { r.Header.Set("webhook-id", "evt_2") }, dialNote: receiver.Verified, standard: receiver.Wrong},
		{name: "upper-case hex", expect: []string{secret}, change: func(r *http.Request) {
			r.Header.Set("X-DialNote-Signature", strings.ToUpper(r.Header.Get("X-DialNote-Signature")))
		}, dialNote: receiver.Wrong, standard: receiver.Verified},
		{name: "not signed", expect: []string{secret}, change: func(r *http.Request) {
			r.Header.Del("X-DialNote-Signature")
			r.Header.Del("webhook-signature")
		}, dialNote: receiver.Absent, standard: receiver.Absent},
		{name: "one of two signatures", expect: []string{secret}, change: func(r *http.Request) {
			r.Header.Set("webhook-signature", "v1,AAAA "+r.Header.Get("webhook-signature"))
		}, dialNote: receiver.Verified, standard: receiver.Verified},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec, l := start(t, receiver.Options{})
			for _, s := range c.expect {
				rec.Expect("/ok", s)
			}
			at := c.at
			if at.IsZero() {
				at = now
			}
			req := signed(t, l.URL("/ok"), "evt_1", "dlv_1", `{"id":"evt_1"}`, secret, at)
			if c.change != nil {
				c.change(req)
			}
			do(t, req)
			got := rec.Requests("/ok")[0]
			if got.DialNote != c.dialNote || got.Standard != c.standard {
				t.Errorf("got %s and %s, want %s and %s", got.DialNote, got.Standard, c.dialNote, c.standard)
			}
		})
	}
}

func TestCountsIDs(t *testing.T) {
	t.Parallel()
	rec, l := start(t, receiver.Options{})
	rec.Set("/crm", receiver.Statuses(503, 200, 200))
	for range 3 { // fails, is delivered, is delivered again
		do(t, signed(t, l.URL("/crm"), "evt_1", "dlv_1", "{}", secret, time.Now()))
	}
	do(t, signed(t, l.URL("/status/500"), "evt_2", "dlv_2", "{}", secret, time.Now()))
	do(t, signed(t, l.URL("/ok"), "evt_1", "dlv_3", "{}", secret, time.Now())) // another webhook, same event
	do(t, request(t, l.URL("/ok"), "{}"))                                      // names nothing

	if got, want := rec.Delivery("dlv_1"), (receiver.Seen{Requests: 3, Accepted: 2}); got != want {
		t.Errorf("dlv_1: %+v, want %+v", got, want)
	}
	if got, want := rec.Event("evt_1"), (receiver.Seen{Requests: 4, Accepted: 3}); got != want {
		t.Errorf("evt_1: %+v, want %+v", got, want)
	}
	if got, want := rec.Totals().Deliveries, (receiver.IDSummary{Distinct: 3, Accepted: 2, Repeats: 1}); got != want {
		t.Errorf("deliveries: %+v, want %+v", got, want)
	}
	missing := slices.Collect(rec.Missing(slices.Values([]string{"evt_1", "evt_2", "evt_3"})))
	if want := []string{"evt_2", "evt_3"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	third, err := rec.WaitRequest(limited(t), func(r receiver.Request) bool { return r.Attempt == 3 })
	if err != nil || third.DeliveryID != "dlv_1" || third.Number != 3 || third.Nth != 2 {
		t.Errorf("third attempt: %+v, %v", third, err)
	}
}

func TestAccessLines(t *testing.T) {
	t.Parallel()
	out := new(lockedBuffer)
	rec, l := start(t, receiver.Options{Each: receiver.AccessLog(out)})
	rec.Expect("/crm", secret)
	do(t, signed(t, l.URL("/crm"), "evt_1", "dlv_1", "{}", secret, time.Now()))
	do(t, signed(t, l.URL("/crm"), "evt_1", "dlv_1", "{}", secret, time.Now()))
	do(t, signed(t, l.URL("/crm"), "evt_2", "dlv_2", "{}", other, time.Now()))
	do(t, signed(t, l.URL("/status/503"), "evt_3", "dlv_3", "{}", other, time.Now()))
	odd := request(t, l.URL("/ok"), "")
	odd.Header.Set("webhook-id", "evt\t\u009b31m")
	do(t, odd)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	want := []string{
		"✓ call.completed       evt_1  /crm → 200",
		"✓ call.completed       evt_1  /crm → 200  attempt 2",
		"✗ call.completed       evt_2  /crm → 200  X-DialNote-Signature wrong",
		"· call.completed       evt_3  /status/503 → 503",
		`· POST                 evt\t\u009b31m  /ok → 200`,
	}
	if len(lines) != len(want) {
		t.Fatalf("got %d lines: %q", len(lines), lines)
	}
	for i, line := range lines {
		if _, text, _ := strings.Cut(line, " "); text != want[i] {
			t.Errorf("line %d: %q, want %q", i, text, want[i])
		}
	}
}

// lockedBuffer is a buffer that a test and a receiver may share.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p)
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
