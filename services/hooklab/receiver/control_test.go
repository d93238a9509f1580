package receiver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// control calls the control API and returns its status and answer.
func control(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(limited(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestControl(t *testing.T) {
	t.Parallel()
	rec, _ := start(t, receiver.Options{})
	l, err := rec.ListenHandler(t.Context(), "127.0.0.1:0", rec.WithControl())
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, want int) string {
		t.Helper()
		status, answer := control(t, method, l.URL(path), body)
		if status != want {
			t.Fatalf("%s %s %s: %d %q, want %d", method, path, body, status, answer, want)
		}
		return answer
	}
	call("PUT", "/_hooklab/secret", `{"path":"/crm","secret":"`+secret+`"}`, 204)
	call("PUT", "/_hooklab/secret", `{"path":"/crm","secret":"whsec_short"}`, 422)
	call("PUT", "/_hooklab/behaviour", `{"path":"/crm","behaviour":"status/503,201"}`, 204)
	call("PUT", "/_hooklab/behaviour", `{"path":"/crm","behaviour":"status/x"}`, 422)
	call("PUT", "/_hooklab/behaviour", `{"route":"/crm"}`, 400)
	call("GET", "/_hooklab/nothing", "", 404)
	if got := call("GET", "/_hooklab/behaviour", "", 200); !strings.Contains(got, "status/503,201") {
		t.Errorf("behaviours: %s", got)
	}
	if got := call("GET", "/_hooklab/requests", "", 200); got != "[]\n" {
		t.Errorf("requests before any: %q", got)
	}
	do(t, signed(t, l.URL("/crm"), "evt_1", "dlv_1", `{"n":"é"}`, secret, time.Now()))
	do(t, signed(t, l.URL("/crm"), "evt_1", "dlv_1", "\xff", secret, time.Now()))
	do(t, request(t, l.URL("//unclean/../path"), ""))

	var requests []struct {
		Body, Wire, DialNote, Standard string
		Status, Attempt                int
	}
	if err := json.Unmarshal([]byte(call("GET", "/_hooklab/requests?path=/crm", "", 200)), &requests); err != nil {
		t.Fatal(err)
	}
	if len(requests) != 2 || requests[0].Body != `{"n":"é"}` || requests[1].Body != "base64:/w==" ||
		requests[0].Status != 503 || requests[1].Status != 201 || requests[1].Attempt != 2 ||
		requests[0].DialNote != "verified" || requests[0].Standard != "verified" || !strings.HasPrefix(requests[0].Wire, "POST /crm HTTP/1.1\r\n") {
		t.Errorf("requests: %+v", requests)
	}
	var totals receiver.Totals
	if err := json.Unmarshal([]byte(call("GET", "/_hooklab/counts", "", 200)), &totals); err != nil {
		t.Fatal(err)
	}
	if totals.Requests != 3 || totals.Verified != 2 || totals.Paths["/crm"].Statuses[503] != 1 || totals.Paths["//unclean/../path"].Requests != 1 {
		t.Errorf("counts: %+v", totals)
	}
	var missing struct{ Missing []string }
	if err := json.Unmarshal([]byte(call("POST", "/_hooklab/missing", "evt_1\nevt_2\n", 200)), &missing); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(missing.Missing, []string{"evt_2"}) {
		t.Errorf("missing %v", missing.Missing)
	}
	call("DELETE", "/_hooklab/requests", "", 204)
	if got := rec.Totals(); got.Requests != 0 {
		t.Errorf("after deleting: %+v", got)
	}
}
