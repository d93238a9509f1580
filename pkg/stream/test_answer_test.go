package stream

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
)

// Services of two versions exchange replies: one is written as the file has it,
// and the file is read by a reader that knows more or fewer fields.
func TestTheFormOfTestAnswers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 2, 9, 30, 0, 123_000_000, time.UTC)
	result := delivery.TestResult{
		Attempt: delivery.Attempt{
			ID: "att_1", DeliveryID: "dlv_1", WebhookID: "wh_1", OrganizationID: "acme", EventID: "evt_test_1", EventType: event.NoteCreated,
			Number: 1, Test: true, URL: "https://hooks.example.com/in", HeaderNames: []string{"X-Key"}, StartedAt: at, EndedAt: at.Add(time.Second), Body: []byte(`{"id":"evt_test_1"}`),
			Outcome: delivery.Outcome{
				Result: delivery.Failed, Reason: delivery.ReasonServerError, Message: "Server answered 503 Service Unavailable.", StatusCode: 503, RetryAfter: time.Minute,
				Response:   delivery.Response{Header: map[string][]string{"Retry-After": {"60"}}, HeaderTruncated: true, Body: []byte("busy"), Truncated: true, Encoding: "br"},
				RemoteAddr: "203.0.113.7:443", SentTwice: true, Phases: delivery.Phases{Resolve: 1, Connect: 2, TLS: 3, FirstByte: 4, Total: time.Second},
			},
		},
		Request: delivery.Request{URL: "https://hooks.example.com/in", Header: map[string][]string{"X-Key": {"•••"}}, Body: []byte(`{"id":"evt_test_1"}`)},
	}
	refused := &fault.Error{Kind: fault.Conflict, Code: "webhook-not-active", Detail: "Only an active webhook can be tested.", Fields: []fault.Field{{Pointer: "/url", Detail: "x"}}}
	replies := []testReply{{Result: messageOfTestResult(result)}, {Fault: messageOfFault(refused)}}
	text, err := json.MarshalIndent(replies, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("testdata/test-answer.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(text, '\n'), kept) {
		t.Errorf("testdata/test-answer.json is not what is written:\n%s", text)
	}
	var read []testReply
	later := bytes.Replace(kept, []byte(`"attempt": {`), []byte(`"later": 1, "attempt": { "later": {"x": []},`), 1)
	for _, form := range [][]byte{kept, later} {
		if err := json.Unmarshal(form, &read); err != nil {
			t.Fatal(err)
		}
		if got := read[0].Result.result(); !reflect.DeepEqual(got, result) {
			t.Errorf("%+v, want %+v", got, result)
		}
		if got := read[1].Fault.fault(); !reflect.DeepEqual(got, refused) {
			t.Errorf("%+v, want %+v", got, refused)
		}
	}
	if kind := (&faultMessage{Kind: "of_a_later_version"}).fault().Kind; kind != fault.Internal {
		t.Errorf("an unknown kind is %s", kind)
	}
}
