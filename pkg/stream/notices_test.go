package stream_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

const noticeWebhook = "wh_01jd9v7q6w3k8m5n2p4r6t8v0x"

// goldenNotices returns a notice of every kind, as the golden files have them.
func goldenNotices() []webhook.Notice {
	at := time.Date(2026, 11, 2, 9, 30, 0, 250_000_000, time.UTC)
	active := webhook.Webhook{ID: noticeWebhook, OrganizationID: "acme", Name: "CRM Call Sync", Version: 6}
	disabled := active
	disabled.Version = 7
	disabled.Health.AutoDisabled = webhook.DisabledForFailures
	disabled.Health.LastError = &webhook.Failure{
		At: at, Reason: "server_error", Message: "Server answered 503 Service Unavailable", StatusCode: 503,
	}
	enabled := disabled
	enabled.Version, enabled.Health = 8, disabled.Health.Enable(at)
	first, _ := webhook.Transition(active, disabled, at)
	second, _ := webhook.Transition(disabled, enabled, time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC))
	return []webhook.Notice{
		first, second,
		webhook.Recovered(enabled, webhook.RecoveryEnd{ID: "rec_01jd9v7q6w3k8m5n2p4r6t8v0x", Status: "done", Examined: 120, Queued: 80},
			time.Date(2026, 11, 2, 10, 30, 0, 0, time.UTC)),
		webhook.Deleted(enabled, time.Date(2026, 11, 2, 11, 0, 0, 0, time.UTC)),
	}
}

func TestNoticesArePublishedAsDocumentedAndOnce(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	want := goldenNotices()
	for range 3 {
		for _, n := range want {
			if err := c.Notify(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := srv.Stored(t, proto.StreamNotices)
	if len(got) != len(want) {
		t.Fatalf("%d notices are stored, want %d", len(got), len(want))
	}
	for i, n := range want {
		golden, err := os.ReadFile(filepath.Join("../../proto/golden/notices", string(n.Kind)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if got[i].Subject != "dialnote.notices.acme."+string(n.Kind) || got[i].Header.Get("Nats-Msg-Id") != n.ID {
			t.Errorf("%s: at %s as %v", n.Kind, got[i].Subject, got[i].Header)
		}
		if string(got[i].Data) != string(golden) {
			t.Errorf("%s:\n got %s\nwant %s", n.Kind, got[i].Data, golden)
		}
		var message webhooksv1.Notice // refuses fields that the contract does not have
		if err := protojson.Unmarshal(got[i].Data, &message); err != nil {
			t.Errorf("%s: %v", n.Kind, err)
		}
		if message.GetId() != n.ID || message.GetVersion() != n.Version || !message.GetAt().AsTime().Equal(n.At) ||
			message.GetDisabledReason() != string(n.DisabledReason) || (message.GetLastError() == nil) != (n.LastError == nil) ||
			(message.GetRecovery() == nil) != (n.Recovery == nil) {
			t.Errorf("%s reads as %v", n.Kind, &message)
		}
	}
}

func TestNoticesAreTheSameAfterARestartOfTheBroker(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	n := goldenNotices()[0]
	if err := c.Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	if err := c.Notify(t.Context(), n); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with the broker away: %v", err)
	}
	srv.Restart(t)
	await(t, func() bool { return c.Notify(t.Context(), n) == nil })
	if got := srv.Stored(t, proto.StreamNotices); len(got) != 1 {
		t.Errorf("%d notices are stored, want the one", len(got))
	}
}
