// Package bootstrap makes, at the first start, the secrets that an operator sets
// in production, and keeps them in the data folder.
package bootstrap

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dialnote/webhooks/pkg/secretbox"
)

// Token returns the service token kept in the folder. At the first call it
// makes one.
func Token(dir string) (string, error) {
	return kept(TokenFile(dir), func() (string, error) {
		var random [24]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		return "dnt_" + base64.RawURLEncoding.EncodeToString(random[:]), nil
	})
}

// TokenFile returns the file in which a folder's service token is kept.
func TokenFile(dir string) string { return filepath.Join(dir, "service-token") }

// EncryptionKeys returns the keys kept in the folder, written as the setting
// takes them. At the first call it makes one key.
func EncryptionKeys(dir string) (string, error) {
	return kept(filepath.Join(dir, "encryption-keys"), func() (string, error) {
		key, err := secretbox.NewKey(rand.Reader)
		if err != nil {
			return "", fmt.Errorf("make encryption key: %w", err)
		}
		return key, nil
	})
}

// kept returns the text of a file that only its owner can read; it makes the
// file when there is none.
func kept(path string, makeText func() (string, error)) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of our own in the data folder
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	made, err := makeText()
	if err != nil {
		return "", err
	}
	// Written whole or not at all: a half-written key would lock everything.
	whole := path + ".new"
	if err := os.WriteFile(whole, []byte(made+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep %s: %w", path, err)
	}
	if err := os.Rename(whole, path); err != nil {
		return "", fmt.Errorf("keep %s: %w", path, err)
	}
	return made, nil
}
