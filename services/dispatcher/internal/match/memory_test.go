package match_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// made is a database in which every organization has so many webhooks, of
// common size, each in strings of its own.
type made struct{ each, headers int }

func (m made) All(_ context.Context, organizationID string) ([]webhook.Webhook, error) {
	list := specimen(organizationID, m.each)
	for i := range list {
		for n := range m.headers {
			list[i].Headers = append(list[i].Headers, webhook.Header{
				Name: fmt.Sprintf("X-Customer-Header-%d", n), Value: webhook.HeaderValue(strings.Repeat(fmt.Sprint(n), 60)),
			})
		}
	}
	return list, nil
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

// TestWhatAWebhookTakes checks the figures of the package's documentation. It is
// not parallel, because all tests share the heap.
func TestWhatAWebhookTakes(t *testing.T) { //nolint:paralleltest // see above
	for _, tt := range []struct {
		source made
		most   int64 // bytes for a webhook
	}{
		{made{each: 3}, 265},
		{made{each: 10}, 215},
		{made{each: 10, headers: 3}, 800},
	} {
		m, err := match.New(tt.source, &lease{}, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		const webhooks = 50_000
		before := heap()
		for i := range webhooks / tt.source.each {
			if _, err := m.Match(t.Context(), organization(i), event.NoteCreated); err != nil {
				t.Fatal(err)
			}
		}
		took, held := heap()-before, m.Size()
		if each := took / held; each > tt.most {
			t.Errorf("%+v: a webhook takes %d bytes, want %d at most", tt.source, each, tt.most)
		}
		if said := m.Bytes(); said < took*9/10 || said > took*11/10 {
			t.Errorf("%+v: the cache reports %d bytes and takes %d", tt.source, said, took)
		}
		runtime.KeepAlive(m)
	}
}

// The garbage collector takes the targets that no delivery uses, and a delivery
// that uses one shares it with those that come.
func TestATargetStaysAsLongAsItIsUsed(t *testing.T) { //nolint:paralleltest // it runs the garbage collector
	m, _, _ := newMatcher(t)
	find := func() *match.Target {
		found, err := m.Find(t.Context(), "acme", "wh_1")
		if err != nil || found == nil {
			t.Fatalf("found %v, %v", found, err)
		}
		return found
	}
	used := find()
	runtime.GC()
	if again := find(); again != used {
		t.Error("a target that is in use was made again")
	}
	after := weak.Make(used)
	runtime.KeepAlive(used)
	runtime.GC()
	if after.Value() != nil {
		t.Error("a target that is not in use was kept")
	}
	if again := find(); again.Webhook.ID != "wh_1" || again.Signer == nil {
		t.Errorf("made again: %+v", again)
	}
}

// An organization's ID often is a part of a message.
func TestTheCacheKeepsNoMessage(t *testing.T) { //nolint:paralleltest // all tests share the heap
	m, err := match.New(made{each: 1}, &lease{}, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	const messages, bytes = 64, 1 << 20
	before := heap()
	for i := range messages {
		message := organization(i) + strings.Repeat(" ", bytes)
		if _, err := m.Match(t.Context(), message[:len(organization(i))], event.CallCompleted); err != nil {
			t.Fatal(err)
		}
	}
	if took := heap() - before; took > messages*bytes/4 {
		t.Errorf("%d organizations take %d bytes", messages, took)
	}
	runtime.KeepAlive(m)
}
