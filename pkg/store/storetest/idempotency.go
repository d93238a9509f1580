//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

const expiry = 24 * time.Hour

func begin(t *testing.T, s store.Store, key string, now time.Time) *store.IdempotentAnswer {
	t.Helper()
	answer, err := s.Begin(t.Context(), key, []byte("fp\x00\xff"), now, expiry)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return answer
}

func idempotencyClaim(t *testing.T, s store.Store) {
	now := time.Now()
	const key = "acme 'ключ' 🔑"
	if answer := begin(t, s, key, now); answer != nil {
		t.Fatalf("a new key was taken: %+v", answer)
	}
	wantEqual(t, "while it is handled", begin(t, s, key, now), &store.IdempotentAnswer{Fingerprint: []byte("fp\x00\xff")})
	answer := store.IdempotentAnswer{
		Fingerprint: []byte("fp\x00\xff"), Status: 201,
		Header: map[string]string{"Location": "/v1/…", "ETag": `"1"`}, Body: []byte("{\"secret\":\"whsec_\"}\x00\xff"),
	}
	wantNoError(t, s.Finish(t.Context(), key, answer))
	wantEqual(t, "afterwards", begin(t, s, key, now), &answer)
	wantNoError(t, s.Abandon(t.Context(), key)) // too late
	wantEqual(t, "finally", begin(t, s, key, now), &answer)
	if other := begin(t, s, key+"2", now); other != nil {
		t.Errorf("another key was taken: %+v", other)
	}
}

// What an answer holds of a webhook's or an API key's secret goes with it, and the
// key stays taken.
func idempotencyRemoved(t *testing.T, s store.Store) {
	now := time.Now()
	w, other := create(t, s, Webhook("acme")), create(t, s, Webhook("acme"))
	about := map[string]string{"of the webhook": w.ID, "of another": other.ID, "of none": "", "twice": w.ID}
	for key, id := range about {
		begin(t, s, key, now)
		wantNoError(t, s.Finish(t.Context(), key, store.IdempotentAnswer{
			Status: 201, Header: map[string]string{"ETag": "1"}, Body: []byte("whsec_"), About: id,
		}))
	}
	if _, err := s.Delete(t.Context(), By(), "acme", w.ID, 0); err != nil {
		t.Fatal(err)
	}
	for key, id := range about {
		got := begin(t, s, key, now)
		if removed := id == w.ID; got == nil || got.Removed != removed || (got.Body == nil) != removed || (got.Header == nil) != removed || got.Status != 201 {
			t.Errorf("%s: %+v", key, got)
		}
	}
	if again := begin(t, s, "twice", now.Add(expiry+time.Second)); again != nil {
		t.Errorf("after a day the key is still taken: %+v", again)
	}
}

func idempotencyInParallel(t *testing.T, s store.Store) {
	var claimed atomic.Int32
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			answer, err := s.Begin(t.Context(), "key", []byte("fp"), time.Now(), expiry)
			wantNoError(t, err)
			if answer == nil {
				claimed.Add(1)
			}
		})
	}
	done.Wait()
	wantEqual(t, "claimed", claimed.Load(), int32(1))
}

func idempotencyFree(t *testing.T, s store.Store) {
	now := time.Now()
	begin(t, s, "key", now)
	wantNoError(t, s.Abandon(t.Context(), "key"))
	if answer := begin(t, s, "key", now); answer != nil {
		t.Errorf("an abandoned key is taken: %+v", answer)
	}
	wantNoError(t, s.Finish(t.Context(), "key", store.IdempotentAnswer{Status: 200}))
	if answer := begin(t, s, "key", now.Add(expiry-time.Second)); answer == nil {
		t.Error("a key expired too early")
	}
	if answer := begin(t, s, "key", now.Add(expiry+time.Second)); answer != nil {
		t.Errorf("an expired key is taken: %+v", answer)
	}
	if answer := begin(t, s, "key", now.Add(expiry+2*time.Second)); answer == nil || answer.Status != 0 {
		t.Errorf("a key that was claimed again has an old answer: %+v", answer)
	}
}

func idempotencyUnclaimed(t *testing.T, s store.Store) {
	err := s.Finish(t.Context(), "key", store.IdempotentAnswer{Status: 200})
	wantFault(t, err, fault.NotFound, "idempotency-key-not-claimed")
	wantNoError(t, s.Abandon(t.Context(), "key"))
}
