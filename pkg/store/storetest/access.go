//nolint:thelper // These are the tests themselves: a failure belongs to its own line.
package storetest

import (
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
)

// Key returns a new API key of an organization and its text.
func Key(tb testing.TB, organizationID string) (access.Key, access.Secret) {
	tb.Helper()
	text := secret(tb, access.NewKey)
	return access.Key{
		ID: "key_" + newID(), OrganizationID: organizationID, Name: "Reporting", LastCharacters: text.LastCharacters(),
		CreatedAt: delivery.Recordable(time.Now()),
	}, text
}

func secret(tb testing.TB, generate func(io.Reader) (access.Secret, error)) access.Secret {
	tb.Helper()
	text, err := generate(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func createKey(t *testing.T, s store.Store, organizationID string) (access.Key, access.Secret) {
	t.Helper()
	k, text := Key(t, organizationID)
	if err := s.CreateKey(t.Context(), By(), k, text.Digest(), 100); err != nil {
		t.Fatal(err)
	}
	return k, text
}

func keyRoundTrip(t *testing.T, s store.Store) {
	ctx := t.Context()
	k, text := createKey(t, s, "acme")
	found, err := s.FindKey(ctx, text.Digest())
	wantNoError(t, err)
	wantEqual(t, "key", found, k)
	_, err = s.FindKey(ctx, access.Secret(text.Reveal()+"x").Digest())
	wantFault(t, err, fault.NotFound, "api-key-not-found")

	// The use is noted once a minute.
	used := k.CreatedAt.Add(time.Hour)
	for _, after := range []time.Duration{0, 59 * time.Second, 60 * time.Second, 61 * time.Second} {
		wantNoError(t, s.UseKey(ctx, k.ID, used.Add(after)))
	}
	found, err = s.FindKey(ctx, text.Digest())
	wantNoError(t, err)
	wantEqual(t, "last used", found.LastUsedAt, used.Add(time.Minute))
	wantNoError(t, s.UseKey(ctx, "key_"+newID(), used))

	// Only its organization revokes it, once.
	wantFault(t, s.RevokeKey(ctx, By(), "other", k.ID, used), fault.NotFound, "api-key-not-found")
	wantNoError(t, s.RevokeKey(ctx, By(), "acme", k.ID, used))
	wantFault(t, s.RevokeKey(ctx, By(), "acme", k.ID, used), fault.NotFound, "api-key-not-found")
	_, err = s.FindKey(ctx, text.Digest())
	wantFault(t, err, fault.NotFound, "api-key-not-found")
}

func keyPages(t *testing.T, s store.Store) {
	ctx := t.Context()
	var want []string
	for range 5 {
		k, _ := createKey(t, s, "acme")
		want = append([]string{k.ID}, want...)
		createKey(t, s, "other")
	}
	wantNoError(t, s.RevokeKey(ctx, By(), "acme", want[1], time.Now()))
	want = slices.Delete(want, 1, 2)
	var got []string
	page := store.Page{Limit: 2}
	for {
		keys, next, err := s.ListKeys(ctx, "acme", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			got = append(got, k.ID)
		}
		if page.After = next; next == "" {
			break
		}
	}
	wantEqual(t, "keys, newest first", got, want)
	for _, cursor := range []string{"!", "d2hfYWJj"} { // wh_abc
		_, _, err := s.ListKeys(ctx, "acme", store.Page{Limit: 2, After: cursor})
		wantFault(t, err, fault.Invalid, "invalid")
	}
}

func keyLimit(t *testing.T, s store.Store) {
	const limit, callers = 3, 10
	revoked, _ := createKey(t, s, "acme")
	wantNoError(t, s.RevokeKey(t.Context(), By(), "acme", revoked.ID, time.Now())) // does not count
	createKey(t, s, "other")
	var created, refused atomic.Int32
	var all sync.WaitGroup
	for range callers {
		k, text := Key(t, "acme")
		all.Go(func() {
			switch err := s.CreateKey(t.Context(), By(), k, text.Digest(), limit); {
			case err == nil:
				created.Add(1)
			case fault.Is(err, fault.Conflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantEqual(t, "created, refused", []int32{created.Load(), refused.Load()}, []int32{limit, callers - limit})
}

func keyChecks(t *testing.T, s store.Store) {
	for name, change := range map[string]func(*access.Key){
		"id of something else":     func(k *access.Key) { k.ID = "wh_" + newID() },
		"empty organization":       func(k *access.Key) { k.OrganizationID = "" },
		"organization with a dot":  func(k *access.Key) { k.OrganizationID = "a.b" },
		"empty name":               func(k *access.Key) { k.Name = "" },
		"name too long":            func(k *access.Key) { k.Name = strings.Repeat("ü", 101) },
		"name with a line end":     func(k *access.Key) { k.Name = "a\nb" },
		"more than the last four":  func(k *access.Key) { k.LastCharacters = "abcde" },
		"fewer than the last four": func(k *access.Key) { k.LastCharacters = "abc" },
		"no creation time":         func(k *access.Key) { k.CreatedAt = time.Time{} },
	} {
		k, text := Key(t, "acme")
		change(&k)
		err := s.CreateKey(t.Context(), By(), k, text.Digest(), 100)
		if _, blamed := errors.AsType[*fault.Error](err); err == nil || blamed {
			t.Errorf("%s: got %v, want an internal error", name, err)
		}
	}
}

func zapierKey(t *testing.T, organizationID string) access.ZapierKey {
	t.Helper()
	return access.ZapierKey{OrganizationID: organizationID, Key: secret(t, access.NewKey), CreatedAt: delivery.Recordable(time.Now())}
}

func zapierKeys(t *testing.T, s store.Store) {
	ctx, now := t.Context(), time.Now()
	first := zapierKey(t, "acme")
	for range 2 { // the second call shows the first's
		k, err := s.ShowZapierKey(ctx, By(), first, now)
		wantNoError(t, err)
		wantEqual(t, "key", k, first)
		k, err = s.ShowZapierKey(ctx, By(), zapierKey(t, "acme"), now)
		wantNoError(t, err)
		wantEqual(t, "shown again", k, first)
	}
	find := func(k access.ZapierKey) string {
		t.Helper()
		org, err := s.FindZapierKey(ctx, k.Key.Digest())
		if fault.Is(err, fault.NotFound) {
			return ""
		}
		wantNoError(t, err)
		return org
	}
	second, other := zapierKey(t, "acme"), zapierKey(t, "other")
	wantNoError(t, s.RotateZapierKey(ctx, By(), second))
	wantNoError(t, s.RotateZapierKey(ctx, By(), other)) // had none
	wantEqual(t, "found", []string{find(first), find(second), find(other), find(zapierKey(t, "acme"))}, []string{"", "acme", "other", ""})
	k, err := s.ShowZapierKey(ctx, By(), zapierKey(t, "acme"), now)
	wantNoError(t, err)
	wantEqual(t, "rotated", k, second)

	// A key of one organization is not another's, whatever chance says.
	stolen := access.ZapierKey{OrganizationID: "thief", Key: second.Key, CreatedAt: now}
	if err := s.RotateZapierKey(ctx, By(), stolen); err == nil {
		t.Error("two organizations have the same key")
	}
}

func zapierKeyInParallel(t *testing.T, s store.Store) {
	var mu sync.Mutex
	shown := map[access.Secret]int{}
	var all sync.WaitGroup
	for range 10 {
		fresh := zapierKey(t, "acme")
		all.Go(func() {
			k, err := s.ShowZapierKey(t.Context(), By(), fresh, time.Now())
			wantNoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			shown[k.Key]++
		})
	}
	all.Wait()
	if len(shown) != 1 {
		t.Errorf("%d keys were shown", len(shown))
	}
	actions := map[audit.Action]int{}
	for _, e := range entries(t, s, "acme", audit.Filter{}) {
		actions[e.Action]++
	}
	wantEqual(t, "entries", actions, map[audit.Action]int{audit.ZapierKeyCreated: 1, audit.ZapierKeyShown: 9})
}

func link(t *testing.T, s store.Store, organizationID, person string, now time.Time) access.Secret {
	t.Helper()
	token := secret(t, access.NewLink)
	l := access.PortalLink{
		ID: "lnk_" + newID(), OrganizationID: organizationID, Person: person, Via: "tests",
		CreatedAt: now, ExpiresAt: now.Add(access.LinkLife),
	}
	if err := s.CreateLink(t.Context(), By(), l, token.Digest()); err != nil {
		t.Fatal(err)
	}
	return token
}

func portalSession(t *testing.T, s store.Store) {
	ctx, now := t.Context(), delivery.Recordable(time.Now())
	token, cookie := link(t, s, "acme", "anna@acme.example", now), secret(t, access.NewSession)
	id := "ses_" + newID()
	session, err := s.OpenLink(ctx, token.Digest(), id, cookie.Digest(), now)
	wantNoError(t, err)
	want := access.Session{
		ID: id, OrganizationID: "acme", Person: "anna@acme.example", Via: "tests", CreatedAt: now, ExpiresAt: now.Add(access.SessionLife),
	}
	wantEqual(t, "session", session, want)
	last := want.ExpiresAt.Add(-delivery.Resolution)
	found, err := s.FindSession(ctx, cookie.Digest(), last)
	wantNoError(t, err)
	wantEqual(t, "found", found, want)
	_, err = s.FindSession(ctx, cookie.Digest(), want.ExpiresAt)
	wantFault(t, err, fault.NotFound, "portal-session-not-found")
	_, err = s.FindSession(ctx, token.Digest(), now)
	wantFault(t, err, fault.NotFound, "portal-session-not-found")

	wantNoError(t, s.EndSession(ctx, cookie.Digest(), now))
	_, err = s.FindSession(ctx, cookie.Digest(), now)
	wantFault(t, err, fault.NotFound, "portal-session-not-found")
	wantNoError(t, s.EndSession(ctx, cookie.Digest(), now))
}

func portalLinkOnce(t *testing.T, s store.Store) {
	ctx, now := t.Context(), time.Now()
	late := link(t, s, "acme", "", now)
	_, err := s.OpenLink(ctx, late.Digest(), "ses_"+newID(), secret(t, access.NewSession).Digest(), now.Add(access.LinkLife))
	wantFault(t, err, fault.NotFound, "portal-link-invalid")
	_, err = s.OpenLink(ctx, secret(t, access.NewLink).Digest(), "ses_"+newID(), secret(t, access.NewSession).Digest(), now)
	wantFault(t, err, fault.NotFound, "portal-link-invalid")

	token := link(t, s, "acme", "", now)
	var opened, refused atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		cookie := secret(t, access.NewSession)
		all.Go(func() {
			switch _, err := s.OpenLink(ctx, token.Digest(), "ses_"+newID(), cookie.Digest(), now); {
			case err == nil:
				opened.Add(1)
			case fault.Is(err, fault.NotFound):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantEqual(t, "opened, refused", []int32{opened.Load(), refused.Load()}, []int32{1, 9})
}

func accessPrune(t *testing.T, s store.Store) {
	ctx, now := t.Context(), delivery.Recordable(time.Now())
	keep := store.Retention{Log: time.Hour, Audit: 48 * time.Hour}
	long := now.Add(-20 * 24 * time.Hour)
	old, oldText := createKey(t, s, "acme")
	wantNoError(t, s.RevokeKey(ctx, By(), "acme", old.ID, long))
	_, good := createKey(t, s, "acme")
	stale, fresh := link(t, s, "acme", "", long), link(t, s, "acme", "", now)
	cookies := make([]access.Secret, 0, 2)
	for _, began := range []time.Time{long, now} {
		cookies = append(cookies, secret(t, access.NewSession))
		token := link(t, s, "acme", "", began)
		_, err := s.OpenLink(ctx, token.Digest(), "ses_"+newID(), cookies[len(cookies)-1].Digest(), began)
		wantNoError(t, err)
	}
	var both sync.WaitGroup
	for range 2 { // replicas
		both.Go(func() { wantNoError(t, s.Prune(ctx, now, keep)) })
	}
	both.Wait()

	// What expired is gone: it is not found at a time when it was good either.
	_, err := s.OpenLink(ctx, stale.Digest(), "ses_"+newID(), secret(t, access.NewSession).Digest(), long)
	wantFault(t, err, fault.NotFound, "portal-link-invalid")
	_, err = s.FindSession(ctx, cookies[0].Digest(), long)
	wantFault(t, err, fault.NotFound, "portal-session-not-found")
	again := old
	wantNoError(t, s.CreateKey(ctx, By(), again, oldText.Digest(), 100)) // its place is free
	_, err = s.OpenLink(ctx, fresh.Digest(), "ses_"+newID(), secret(t, access.NewSession).Digest(), now)
	wantNoError(t, err)
	_, err = s.FindSession(ctx, cookies[1].Digest(), now)
	wantNoError(t, err)
	_, err = s.FindKey(ctx, good.Digest())
	wantNoError(t, err)
	for _, e := range entries(t, s, "acme", audit.Filter{}) {
		if e.At.Before(now.Add(-keep.Audit)) {
			t.Errorf("an old entry is left: %+v", e)
		}
	}
}
