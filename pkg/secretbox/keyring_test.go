package secretbox_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dialnote/webhooks/pkg/secretbox"
)

func newKey(t *testing.T) string {
	t.Helper()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parse(t *testing.T, setting string) *secretbox.Keyring {
	t.Helper()
	ring, err := secretbox.Parse(setting)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestSealedOpensOnlyAsItWasSealed(t *testing.T) {
	t.Parallel()
	ring := parse(t, newKey(t))
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		associated := rapid.SliceOf(rapid.Byte()).Draw(t, "associated")
		sealed, err := ring.Seal(plain, associated)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ring.Open(sealed, associated); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := ring.Open(sealed, append(associated, 0)); err == nil {
			t.Fatal("opened with other associated data")
		}
		changed := bytes.Clone(sealed)
		changed[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := ring.Open(changed, associated); err == nil {
			t.Fatal("opened a changed text")
		}
		if _, err := ring.Open(sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")], associated); err == nil {
			t.Fatal("opened a cut text")
		}
	})
}

func TestOpenNeverPanics(t *testing.T) {
	t.Parallel()
	ring := parse(t, newKey(t))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		if _, err := ring.Open(text, nil); err == nil {
			t.Fatal("opened a text that was not sealed")
		}
	})
}

func TestKeysAreChangedOneByOne(t *testing.T) {
	t.Parallel()
	oldKey, newerKey := newKey(t), newKey(t)
	before := parse(t, oldKey)
	sealed, err := before.Seal([]byte("whsec_x"), []byte("wh_1"))
	if err != nil {
		t.Fatal(err)
	}
	both := parse(t, newerKey+", "+oldKey)
	plain, err := both.Open(sealed, []byte("wh_1"))
	if err != nil || string(plain) != "whsec_x" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if both.UnderPrimary(sealed) || !before.UnderPrimary(sealed) {
		t.Error("the old key is the primary of the old ring only")
	}
	again, err := both.Seal(plain, []byte("wh_1"))
	if err != nil || !both.UnderPrimary(again) {
		t.Fatalf("sealed again: under primary %t, %v", both.UnderPrimary(again), err)
	}
	_, err = before.Open(again, []byte("wh_1"))
	unknown, ok := errors.AsType[*secretbox.UnknownKeyError](err)
	if id, _, _ := strings.Cut(newerKey, ":"); !ok || unknown.KeyID != id {
		t.Errorf("got %v, want the unknown key %s", err, id)
	}
}

func TestParsesErrorHasNoSecret(t *testing.T) {
	t.Parallel()
	good := newKey(t)
	id, text, _ := strings.Cut(good, ":")
	for name, setting := range map[string]string{
		"nothing":        "",
		"no id":          text,
		"empty id":       ":" + text,
		"id with blank":  "a b:" + text,
		"id too long":    strings.Repeat("a", 33) + ":" + text,
		"short key":      "a:" + text[:20],
		"33 bytes":       "a:" + "AAAA" + text,
		"not base64":     "a:" + "!" + text[1:],
		"twice":          good + "," + id + ":" + text,
		"trailing comma": good + ",",
	} {
		if ring, err := secretbox.Parse(setting); err == nil {
			t.Errorf("%s: accepted: %v", name, ring)
		} else if strings.Contains(err.Error(), text[2:20]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestPrintsNoKey(t *testing.T) {
	t.Parallel()
	good := newKey(t)
	_, text, _ := strings.Cut(good, ":")
	ring := parse(t, good)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if printed := fmt.Sprintf(verb, ring); strings.Contains(printed, text) || !strings.Contains(printed, "keyring of 1") {
			t.Errorf("%s: %s", verb, printed)
		}
	}
}

func TestNewKeyReportsAFailingSource(t *testing.T) {
	t.Parallel()
	if key, err := secretbox.NewKey(strings.NewReader("short")); err == nil {
		t.Errorf("made %q from too little", key)
	}
}

func TestKeyIDs(t *testing.T) {
	t.Parallel()
	first, second := newKey(t), newKey(t)
	ring := parse(t, first+","+second)
	firstID, _, _ := strings.Cut(first, ":")
	secondID, _, _ := strings.Cut(second, ":")
	if ids := ring.KeyIDs(); !slices.Equal(ids, []string{firstID, secondID}) {
		t.Errorf("ids %v", ids)
	}
	sealed, err := ring.Seal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, secretbox.Header(firstID)) || bytes.HasPrefix(sealed, secretbox.Header(secondID)) {
		t.Errorf("%x does not begin with its key's header", sealed)
	}
	longest := strings.Repeat("k", 32)
	for _, text := range [][]byte{sealed, sealed[:len(secretbox.Header(firstID))], secretbox.Header(longest)} {
		id, err := secretbox.KeyID(text)
		if err != nil || id != firstID && id != longest {
			t.Errorf("%x: %q, %v", text, id, err)
		}
	}
	if len(secretbox.Header(longest)) != secretbox.MaxHeader {
		t.Error("the longest header is longer than MaxHeader")
	}
	if _, err := secretbox.KeyID([]byte("plain")); !errors.Is(err, secretbox.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}
