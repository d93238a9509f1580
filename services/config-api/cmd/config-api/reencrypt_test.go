package main

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
)

func newKey(t *testing.T, id string) string {
	t.Helper()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(key, ":")
	return id + ":" + text
}

// The whole way of a key out of use: both, the command, the new one alone.
func TestReencrypt(t *testing.T) {
	t.Parallel()
	oldKey, newer := newKey(t, "k2025"), newKey(t, "k2026")
	settings := func(keys ...string) config.Settings {
		return config.Settings{DatabaseURL: "sqlite://" + filepath.Join(t.TempDir(), "x.db"), EncryptionKeys: strings.Join(keys, ",")}
	}
	s := settings(oldKey)
	ring, err := secretbox.Parse(oldKey)
	if err != nil {
		t.Fatal(err)
	}
	db, err := storeurl.Open(t.Context(), s.DatabaseURL, ring)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillWithSecrets(t, db)
	defer db.Close() // as a service that runs meanwhile

	var out strings.Builder
	s.EncryptionKeys = newer
	if err := reencrypt(t.Context(), s, &out); err == nil || !strings.Contains(err.Error(), "4 could not be opened") || !strings.Contains(err.Error(), "k2025") {
		t.Errorf("without the old key: %v", err)
	}
	s.EncryptionKeys = newer + "," + oldKey
	for _, want := range []string{"4 re-encrypted; everything is encrypted with key k2026 now\n", "0 re-encrypted; everything is encrypted with key k2026 now\n"} {
		out.Reset()
		if err := reencrypt(t.Context(), s, &out); err != nil || out.String() != want {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	s.EncryptionKeys = newer
	s.NATSURL, s.Retention, s.StreamReplicas = natstest.Start(t).ClientURL(), 168*3600e9, 1
	log := slog.New(slog.DiscardHandler)
	b, err := resources.Open(t.Context(), s, resources.NATS(s, "test"), ops.NewHealth(), log)
	if err != nil {
		t.Fatal(err)
	}
	b.Close(log)
	s.EncryptionKeys = oldKey
	_, err = resources.Open(t.Context(), s, resources.NATS(s, "test"), ops.NewHealth(), log)
	if lost, is := errors.AsType[*resources.LostKeysError](err); !is || len(lost.KeyIDs) != 1 || lost.KeyIDs[0] != "k2026" || !strings.Contains(err.Error(), "DIALNOTE_ENCRYPTION_KEYS lacks the key k2026") {
		t.Errorf("with the old key alone: %v", err)
	}
}

func TestReencryptWithWrongKeys(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"", "k1:short"} {
		s := config.Settings{DatabaseURL: "sqlite://x.db", EncryptionKeys: keys}
		if err := reencrypt(t.Context(), s, new(strings.Builder)); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("keys %q: %v", keys, err)
		}
	}
}
