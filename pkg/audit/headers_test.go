package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestAnEntryNeverHasAHeadersValue(t *testing.T) {
	t.Parallel()
	before := webhook.Webhook{ID: "wh_1", Headers: []webhook.Header{{Name: "X-A", Value: "hidden1"}, {Name: "X-B", Value: "hidden2"}}}
	after := before
	after.Headers = []webhook.Header{{Name: "X-A", Value: "hidden3"}, {Name: "X-B", Value: "hidden2"}, {Name: "X-C", Value: "hidden4"}}
	entries := append(audit.Updated(audit.Itself(), before, after, time.Now()),
		audit.Created(audit.Itself(), after), audit.Deleted(audit.Itself(), after, time.Now()))
	if len(entries) != 3 {
		t.Fatalf("%d entries", len(entries))
	}
	for _, e := range entries {
		if text := string(e.Before) + string(e.After); strings.Contains(text, "hidden") {
			t.Errorf("%s has %s", e.Action, text)
		}
	}
	const was = `{"headers":{"X-A":"********","X-B":"********"}}`
	const is = `{"headers":{"X-A":"******** (changed)","X-B":"********","X-C":"********"}}`
	if string(entries[0].Before) != was || string(entries[0].After) != is {
		t.Errorf("the entry of the change has %s, %s", entries[0].Before, entries[0].After)
	}
	if same := audit.Updated(audit.Itself(), after, after, time.Now()); len(same) > 0 {
		t.Errorf("there is an entry of no change: %s", same[0].After)
	}
	after.Headers = nil
	if gone := audit.Updated(audit.Itself(), before, after, time.Now()); len(gone) != 1 || string(gone[0].After) != `{}` || string(gone[0].Before) != was {
		t.Errorf("the entry of the removal is %+v", gone)
	}
}
