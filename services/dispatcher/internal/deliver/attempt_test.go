package deliver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/deliver"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

type lease struct{}

func (lease) Fresh() bool { return true }

// one is a source with one webhook.
type one webhook.Webhook

func (o one) All(context.Context, string) ([]webhook.Webhook, error) {
	return []webhook.Webhook{webhook.Webhook(o)}, nil
}

// target returns the target of a webhook as a matcher makes it.
func target(tb testing.TB, change func(*webhook.Webhook)) *match.Target {
	tb.Helper()
	w := webhook.Webhook{
		ID: "wh_1", OrganizationID: "acme", Provider: webhook.Custom, Event: webhook.SendCallLogs,
		URL: "https://Hooks.Example.com:443/in?a=b", Secret: secret,
	}
	if change != nil {
		change(&w)
	}
	m, err := match.New(one(w), lease{}, 10)
	if err != nil {
		tb.Fatal(err)
	}
	found, err := m.Find(tb.Context(), "acme", "wh_1")
	if err != nil || found == nil {
		tb.Fatalf("found %v, %v", found, err)
	}
	return found
}

// sender keeps the request and returns outcome.
type sender struct {
	outcome delivery.Outcome
	request egress.Request
	sent    int
}

func (s *sender) Send(_ context.Context, r egress.Request) delivery.Outcome {
	s.request = r
	s.sent++
	return s.outcome
}

func testDelivery() delivery.Delivery {
	e := event.Sample(event.CallCompleted, "acme", "evt_1", time.Unix(1_700_000_000, 0))
	return delivery.Of(e, e.Body(), "wh_1", 42, time.Unix(1_700_000_001, 0).UTC())
}

func clock() func() time.Time {
	now := time.Unix(1_800_000_000, 0).UTC()
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func TestHeadersAreThePromisedOnes(t *testing.T) {
	t.Parallel()
	d := testDelivery()
	s := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
	if _, ok := deliver.Attempt(t.Context(), s, clock(), target(t, nil), d, 1); !ok {
		t.Fatal("the attempt has no outcome")
	}
	at := time.Unix(1_800_000_001, 0)
	standard, err := signature.Standard(secret, "evt_1", at, d.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Accept":               {"*/*"},
		"Content-Type":         {"application/json"},
		"X-DialNote-Signature": {signature.DialNote(secret, d.Body)},
		"X-DialNote-Event":     {"call.completed"},
		"X-DialNote-Delivery":  {d.ID},
		"webhook-id":           {"evt_1"},
		"webhook-timestamp":    {"1800000001"},
		"webhook-signature":    {standard},
	}
	if sent := s.request.Fields.Header(); !maps.EqualFunc(sent, want, slices.Equal) {
		t.Errorf("headers are\n%v\nwant\n%v", sent, want)
	}
	if s.request.Method != http.MethodPost || s.request.URL != "https://hooks.example.com/in?a=b" {
		t.Errorf("%s %s", s.request.Method, s.request.URL)
	}
}

func TestWhatWasSignedIsWhatIsSent(t *testing.T) {
	t.Parallel()
	d := testDelivery()
	s := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
	deliver.Attempt(t.Context(), s, clock(), target(t, nil), d, 1)
	if &s.request.Body[0] != &d.Body[0] || len(s.request.Body) != len(d.Body) {
		t.Error("the body is not sent from the delivery's own buffer")
	}
}

func TestTheProviderHeaderIsZapiersAlone(t *testing.T) {
	t.Parallel()
	for provider, want := range map[webhook.Provider][]string{webhook.Zapier: {"zapier"}, webhook.Custom: nil} {
		s := &sender{outcome: delivery.Outcome{Result: delivery.Succeeded}}
		to := target(t, func(w *webhook.Webhook) { w.Provider = provider })
		deliver.Attempt(t.Context(), s, clock(), to, testDelivery(), 1)
		if got := s.request.Fields.Header()["X-DialNote-Provider"]; !slices.Equal(got, want) {
			t.Errorf("%s: X-DialNote-Provider is %q, want %q", provider, got, want)
		}
	}
}

func TestAnAttemptHasWhatWasSentAndWhen(t *testing.T) {
	t.Parallel()
	d := testDelivery()
	s := &sender{outcome: delivery.Outcome{Result: delivery.Failed, Reason: delivery.ReasonReset}}
	now := clock()
	a, ok := deliver.Attempt(t.Context(), s, now, target(t, nil), d, 3)
	want := delivery.Attempt{
		ID: a.ID, DeliveryID: d.ID, WebhookID: "wh_1", OrganizationID: "acme", EventID: "evt_1",
		EventType: event.CallCompleted, EventSequence: 42, Number: 3, URL: "https://hooks.example.com/in?a=b",
		StartedAt: time.Unix(1_800_000_001, 0).UTC(), EndedAt: time.Unix(1_800_000_002, 0).UTC(),
	}
	if reason := a.Outcome.Reason; !ok || reason != delivery.ReasonReset {
		t.Errorf("outcome %+v, %t", a.Outcome, ok)
	}
	next, _ := deliver.Attempt(t.Context(), s, now, target(t, nil), d, 4)
	if !strings.HasPrefix(a.ID, "att_") || a.ID >= next.ID {
		t.Errorf("ids %q and %q are not in the order of time", a.ID, next.ID)
	}
	a.Outcome = delivery.Outcome{}
	if !equal(a, want) {
		t.Errorf("attempt is\n%+v\nwant\n%+v", a, want)
	}
}

// equal compares attempts without their outcomes.
func equal(a, b delivery.Attempt) bool {
	return a.ID == b.ID && a.DeliveryID == b.DeliveryID && a.WebhookID == b.WebhookID && a.OrganizationID == b.OrganizationID &&
		a.EventID == b.EventID && a.EventType == b.EventType && a.EventSequence == b.EventSequence && a.Number == b.Number &&
		a.URL == b.URL && a.StartedAt.Equal(b.StartedAt) && a.EndedAt.Equal(b.EndedAt) && a.Test == b.Test
}

func TestWithoutAnOutcomeThereIsNoAttempt(t *testing.T) {
	t.Parallel()
	if _, ok := deliver.Attempt(t.Context(), &sender{}, clock(), target(t, nil), testDelivery(), 1); ok {
		t.Error("an attempt without an outcome may be recorded")
	}
}

func TestAnUnusableTargetFailsWithoutARequest(t *testing.T) {
	t.Parallel()
	s := &sender{}
	to := target(t, func(w *webhook.Webhook) { w.Secret = "whsec_no" })
	a, ok := deliver.Attempt(t.Context(), s, clock(), to, testDelivery(), 1)
	if !ok || a.Outcome.Result != delivery.Failed || a.Outcome.Reason != delivery.ReasonInternal || a.Outcome.Message == "" || s.sent != 0 {
		t.Errorf("%+v, %t, %d sent", a.Outcome, ok, s.sent)
	}
	if strings.Contains(a.Outcome.Message, "whsec_") {
		t.Errorf("the message shows the secret: %s", a.Outcome.Message)
	}
}

func TestDeclineSaysWhyNothingWasSent(t *testing.T) {
	t.Parallel()
	s := &sender{}
	a := deliver.DeclinedAt(clock(), target(t, nil), testDelivery(), delivery.Skipped, "Not wanted.")
	if a.Number != 0 || a.Outcome.Result != delivery.Skipped || a.Outcome.Message != "Not wanted." || !a.EndedAt.Equal(a.StartedAt) || s.sent != 0 {
		t.Errorf("%+v, %d sent", a, s.sent)
	}
}

// On the wire of HTTP/1.1 the names have the documented case.
func TestHeaderNamesOnTheWire(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	type received struct {
		head string
		body []byte
		err  error
	}
	heard := make(chan received, 1)
	go func() {
		head, body, err := receive(listener)
		heard <- received{head, body, err}
	}()
	client, err := egress.New(egress.Config{
		Timeout: 10 * time.Second, UserAgent: "DialNote-Webhooks/test",
		Policy: endpoint.Policy{AllowHTTP: true, AllowPrivate: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	to := target(t, func(w *webhook.Webhook) {
		w.Provider, w.URL = webhook.Zapier, "http://"+listener.Addr().String()+"/in"
		w.Headers = []webhook.Header{{Name: "AUTHORIZATION", Value: "Bearer x"}, {Name: "x-mAke-apikey", Value: "a\tb"}}
	})
	d := testDelivery()
	a, ok := deliver.Attempt(t.Context(), client, time.Now, to, d, 1)
	if !ok || a.Outcome.Result != delivery.Succeeded {
		t.Fatalf("%+v, %t", a.Outcome, ok)
	}
	got := <-heard
	if got.err != nil {
		t.Fatal(got.err)
	}
	for _, name := range []string{
		"Content-Type", "Accept", "User-Agent", "X-DialNote-Signature", "X-DialNote-Provider", "X-DialNote-Event",
		"X-DialNote-Delivery", "webhook-id", "webhook-timestamp", "webhook-signature", "AUTHORIZATION", "x-mAke-apikey",
	} {
		if strings.Count(got.head, "\r\n"+name+": ") != 1 {
			t.Errorf("no %s in\n%s", name, got.head)
		}
	}
	if !bytes.Equal(got.body, d.Body) {
		t.Errorf("body is %s, want %s", got.body, d.Body)
	}
}

// receive answers one request with 204 and returns it as it was on the wire.
func receive(l net.Listener) (head string, body []byte, err error) {
	conn, err := l.Accept()
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = conn.Close() }()
	var raw bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &raw))
	tp := textproto.NewReader(r)
	if _, err = tp.ReadLine(); err != nil {
		return "", nil, err
	}
	h, err := tp.ReadMIMEHeader()
	if err != nil {
		return "", nil, err
	}
	if h.Get("Content-Length") == "" {
		return "", nil, errors.New("no Content-Length")
	}
	rest, _, _ := bytes.Cut(raw.Bytes(), []byte("\r\n\r\n"))
	head = string(rest) + "\r\n"
	length := 0
	for _, c := range h.Get("Content-Length") {
		length = 10*length + int(c-'0')
	}
	body = make([]byte, length)
	if _, err = io.ReadFull(r, body); err != nil {
		return "", nil, err
	}
	_, err = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	return head, body, err
}
