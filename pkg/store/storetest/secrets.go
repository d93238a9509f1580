package storetest

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// FillWithSecrets writes a webhook, its log and an idempotent answer that shows
// its secret, and returns the part of the secret that must stand nowhere. It is
// in the value of a header too.
func FillWithSecrets(t *testing.T, s store.Store) string {
	t.Helper()
	w := Webhook("acme")
	w.Headers = []webhook.Header{{Name: "X-Key", Value: webhook.HeaderValue(w.Secret.Reveal()[len("whsec_"):])}}
	w = create(t, s, w)
	record(t, s, Failed(w, time.Now(), time.Second))
	begin(t, s, "key", time.Now())
	answer := store.IdempotentAnswer{Status: 201, Body: []byte(`{"secret":"` + w.Secret.Reveal() + `"}`)}
	if err := s.Finish(t.Context(), "key", answer); err != nil {
		t.Fatal(err)
	}
	marker := w.Secret.Reveal()[len("whsec_"):]
	fillWithCredentials(t, s, marker)
	return marker
}

// fillWithCredentials writes one of each kind with the text in it.
func fillWithCredentials(t *testing.T, s store.Store, text string) {
	t.Helper()
	ctx, now, key := t.Context(), time.Now(), access.Secret(access.KeyPrefix+text)
	k, _ := Key(t, "acme")
	wantNoError(t, s.CreateKey(ctx, By(), k, key.Digest(), 1))
	_, err := s.ShowZapierKey(ctx, By(), access.ZapierKey{OrganizationID: "acme", Key: key, CreatedAt: now}, now)
	wantNoError(t, err)
	for _, token := range []access.Secret{access.Secret("dnl_" + text), access.Secret("dnl_opened" + text)} {
		l := access.PortalLink{ID: "lnk_" + newID(), OrganizationID: "acme", CreatedAt: now, ExpiresAt: now.Add(access.LinkLife)}
		wantNoError(t, s.CreateLink(ctx, By(), l, token.Digest()))
	}
	_, err = s.OpenLink(ctx, access.Secret("dnl_opened"+text).Digest(), "ses_"+newID(), access.Secret("dns_"+text).Digest(), now)
	wantNoError(t, err)
}
