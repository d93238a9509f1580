package match_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// made is a database in which every organization has so many webhooks, of
// common size, each in strings of its own.
type made int

func (n made) All(_ context.Context, organizationID string) ([]webhook.Webhook, error) {
	return specimen(organizationID, int(n)), nil
}

func organization(n int) string { return fmt.Sprintf("org_%022d", n) }

// specimen returns n webhooks, in turn of calls and of recordings.
func specimen(organizationID string, n int) []webhook.Webhook {
	kinds := []webhook.Setting{webhook.SendCallLogs, webhook.SendCallRecordings}
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	list := make([]webhook.Webhook, n)
	for i := range list {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", organizationID, i))
		id := ulid.ULID(sum[:16])
		id[0] &= 0x0f
		secret, err := signature.NewSecret(strings.NewReader(string(sum[:])))
		if err != nil {
			panic(err)
		}
		list[i] = webhook.Webhook{
			ID: "wh_" + strings.ToLower(id.String()), OrganizationID: organizationID, Name: "CRM Call Sync", Provider: webhook.Custom,
			URL: fmt.Sprintf("https://hooks.zapier.com/hooks/catch/%d/%x/", 1_000_000+i, sum[:5]), Event: kinds[i%len(kinds)],
			Secret: secret, CreatedAt: at, UpdatedAt: at, Version: 1,
		}
	}
	return list
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one found unused and had to finalize
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWhatAWebhookTakes holds the package's account of its memory true. Not
// parallel: the heap is everybody's.
func TestWhatAWebhookTakes(t *testing.T) { //nolint:paralleltest // see above
	for _, tt := range []struct {
		each int
		most int64 // bytes for a webhook
	}{{3, 170}, {10, 135}} {
		m, err := match.New(made(tt.each), &lease{}, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		const webhooks = 50_000
		before := heap()
		for i := range webhooks / tt.each {
			if _, err := m.Match(t.Context(), organization(i), event.NoteCreated); err != nil {
				t.Fatal(err)
			}
		}
		took, held := heap()-before, m.Size()
		if each := took / held; each > tt.most {
			t.Errorf("%d webhooks an organization: each takes %d bytes, want %d at most", tt.each, each, tt.most)
		}
		if said := m.Bytes(); said < took*9/10 || said > took*11/10 {
			t.Errorf("%d webhooks an organization: %d bytes are said, %d are taken", tt.each, said, took)
		}
		runtime.KeepAlive(m)
	}
}
