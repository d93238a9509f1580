package storetest

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// keys makes a ring with a new primary key for each name, in this order, and
// remembers them, so that another ring can have some of them again.
type keys map[string]string

func (k keys) ring(t *testing.T, names ...string) *secretbox.Keyring {
	t.Helper()
	settings := make([]string, 0, len(names))
	for _, name := range names {
		if k[name] == "" {
			key, err := secretbox.NewKey(rand.Reader)
			wantNoError(t, err)
			_, text, _ := strings.Cut(key, ":")
			k[name] = name + ":" + text
		}
		settings = append(settings, k[name])
	}
	ring, err := secretbox.Parse(strings.Join(settings, ","))
	wantNoError(t, err)
	return ring
}

// Keys runs the suite of what happens when encryption keys change. reopen opens
// the same database again, empty at first, and closes it when the test ends.
// look returns what stands in the database's tables as bytes and begins with a
// header.
func Keys(t *testing.T, reopen func(*testing.T, secretbox.Box) store.Store, look func(*testing.T, []byte) []string) {
	t.Helper()
	k := keys{}
	before := reopen(t, k.ring(t, "old"))
	FillWithSecrets(t, before)
	for range 7 {
		create(t, before, Webhook("acme"))
	}
	all, err := before.All(t.Context(), "acme")
	wantNoError(t, err)
	if found := look(t, secretbox.Header("old")); len(found) < 4 {
		t.Fatalf("sealed texts are in %v only", found)
	}

	lost := reopen(t, k.ring(t, "new"))
	if missing, err := lost.MissingKeys(t.Context()); err != nil || !slices.Equal(missing, []string{"old"}) {
		t.Errorf("missing %v, %v", missing, err)
	}
	if done := resealAll(t, lost, 4); done.Done != 0 || done.Lost < 11 || !slices.Equal(done.Keys, []string{"old"}) {
		t.Errorf("without the old key: %+v", done)
	}

	both := reopen(t, k.ring(t, "new", "old"))
	if missing, err := both.MissingKeys(t.Context()); err != nil || len(missing) != 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
	first, err := both.Reseal(t.Context(), "", 3)
	wantNoError(t, err)
	if first.Done != 3 || first.Next == "" {
		t.Fatalf("the first batch: %+v", first)
	}
	// Meanwhile an old replica writes, and a webhook is renamed and one deleted.
	late := create(t, before, Webhook("acme"))
	renamed, err := both.Update(t.Context(), By(), "acme", all[1].ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
		w.Name = "Renamed"
		return w, nil
	})
	wantNoError(t, err)
	_, err = both.Delete(t.Context(), By(), "acme", all[2].ID, 0)
	wantNoError(t, err)
	if done := resealAll(t, both, 3); done.Done < 8 || done.Lost != 0 {
		t.Errorf("the rest: %+v", done)
	}
	if done := resealAll(t, both, 3); done.Done != 0 {
		t.Errorf("a second time: %+v", done)
	}
	if found := look(t, secretbox.Header("old")); len(found) != 0 {
		t.Errorf("%v is still sealed with the old key", found)
	}

	after := reopen(t, k.ring(t, "new"))
	if missing, err := after.MissingKeys(t.Context()); err != nil || len(missing) != 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
	all[1] = renamed
	all = append(slices.Delete(all, 2, 3), late)
	sameSecrets(t, after, all)
}

// interrupted is a box that calls during before it seals for the first time.
type interrupted struct {
	secretbox.Box

	during func()
}

// Seal calls during, and seals.
func (b *interrupted) Seal(plain, associated []byte) ([]byte, error) {
	if during := b.during; during != nil {
		b.during = nil
		during()
	}
	return b.Box.Seal(plain, associated)
}

// KeysMeanwhile checks that resealing leaves alone what was written after it read.
// reopen is as in Keys.
func KeysMeanwhile(t *testing.T, reopen func(*testing.T, secretbox.Box) store.Store) {
	t.Helper()
	k := keys{}
	before := reopen(t, k.ring(t, "old"))
	headers := func(value string) []webhook.Header {
		return []webhook.Header{{Name: "X-Key", Value: webhook.HeaderValue(value)}}
	}
	w := Webhook("acme")
	w.Headers = headers("first")
	w = create(t, before, w)

	ring := k.ring(t, "new", "old")
	box := &interrupted{Box: ring}
	slow, writer := reopen(t, box), reopen(t, ring)
	secrets, err := slow.Reseal(t.Context(), "", 10)
	wantNoError(t, err)
	if secrets.Done != 1 {
		t.Fatalf("the secrets: %+v", secrets)
	}
	box.during = func() {
		_, err := writer.Update(t.Context(), By(), "acme", w.ID, 0, func(w webhook.Webhook) (webhook.Webhook, error) {
			w.Headers = headers("second")
			return w, nil
		})
		wantNoError(t, err)
	}
	if done, err := slow.Reseal(t.Context(), secrets.Next, 10); err != nil || done.Done != 0 || box.during != nil {
		t.Errorf("the headers: %+v, %v", done, err)
	}
	if got := get(t, slow, w).Headers; len(got) != 1 || got[0].Value.Reveal() != "second" {
		t.Errorf("the headers are %v", got)
	}
}

// resealAll reseals everything, in batches.
func resealAll(t *testing.T, s store.Store, limit int) (all store.Resealed) {
	t.Helper()
	for after := ""; ; {
		done, err := s.Reseal(t.Context(), after, limit)
		wantNoError(t, err)
		if done.Done+done.Lost > limit {
			t.Fatalf("a batch of %d: %+v", limit, done)
		}
		all.Done, all.Lost = all.Done+done.Done, all.Lost+done.Lost
		for _, key := range done.Keys {
			if !slices.Contains(all.Keys, key) {
				all.Keys = append(all.Keys, key)
			}
		}
		if after = done.Next; after == "" {
			return all
		}
	}
}

// sameSecrets checks that everything sealed is still what it was.
func sameSecrets(t *testing.T, s store.Store, want []webhook.Webhook) {
	t.Helper()
	got, err := s.All(t.Context(), "acme")
	wantNoError(t, err)
	if len(got) != len(want) {
		t.Fatalf("%d webhooks, want %d", len(got), len(want))
	}
	secrets := map[string]webhook.Webhook{}
	for _, w := range want {
		secrets[w.ID] = w
	}
	marker := ""
	for _, w := range got {
		old := secrets[w.ID]
		if w.Secret != old.Secret || w.Version != old.Version || w.Name != old.Name || len(w.Headers) != len(old.Headers) {
			t.Errorf("webhook %s is not what it was", w.ID)
		}
		if len(w.Headers) == 1 {
			marker = w.Headers[0].Value.Reveal()
		}
	}
	answer := begin(t, s, "key", time.Now())
	if marker == "" || answer == nil || !strings.Contains(string(answer.Body), marker) {
		t.Errorf("the idempotent answer is %+v", answer)
	}
	key, err := s.ShowZapierKey(t.Context(), By(), access.ZapierKey{OrganizationID: "acme", Key: "dnk_x", CreatedAt: time.Now()}, time.Now())
	wantNoError(t, err)
	if key.Key.Reveal() != access.KeyPrefix+marker {
		t.Error("the Zapier key is another one")
	}
}
