package fill_test

import (
	"crypto/rand"
	"database/sql"
	"regexp"
	"testing"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/hooklab/bench/fill"
)

func TestIDsHaveTheirShapeAndDiffer(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^wh_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$`)
	last := ""
	for n := range 3000 {
		id := fill.ID(n)
		if !shape.MatchString(id) || id <= last {
			t.Fatalf("%d: %s after %s", n, id, last)
		}
		last = id
	}
}

// The services must be able to read what was filled in, secrets included.
func TestFilledWebhooksAreReal(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Schema(t)
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := secretbox.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	store, err := storeurl.Open(t.Context(), dsn, box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const template = "wh_01hm6a3kz0v8w2c4xq5y7n9rbt"
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO webhooks (id, organization_id, name, provider, url, event, secret, created_at, updated_at, ordered_from, version,
			failure_count, outages, auto_disabled)
		VALUES ($1, 'acme', 'template', 'custom', 'https://example.com/', 'note.created', 'sealed', now(), now(), 0, 1, 0, '[]', '')`, template)
	if err != nil {
		t.Fatal(err)
	}
	err = fill.Webhooks(t.Context(), db, box, rand.Reader, template, 7, 30, func(i int) fill.Row {
		return fill.Row{Organization: []string{"a", "b", "c"}[i%3], URL: "https://example.com/x", Event: event.CallCompleted}
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := store.All(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 10 {
		t.Fatalf("%d webhooks", len(all))
	}
	for _, w := range all {
		if w.URL != "https://example.com/x" || w.Event != webhook.SendCallLogs || w.Name != "template" {
			t.Errorf("%+v", w)
		}
		if err := signature.CheckSecret(w.Secret); err != nil {
			t.Error(err)
		}
	}
}
