package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/dialnote/webhooks/pkg/access"
)

// minToken is the shortest service token, in bytes: less can be guessed.
const minToken = 16

// Tokens are service tokens, kept only as their SHA-256: a token is long and
// random, so that a fast hash is enough. Several may have one name, while one
// replaces another. The zero Tokens has none.
type Tokens struct {
	names []string
	sums  [][sha256.Size]byte
}

// ParseTokens reads the setting API_TOKENS: "name:token,name:token". A token
// has at least 16 bytes, and does not begin as an organization's keys do. The
// error lists everything that is wrong and holds no token.
func ParseTokens(setting string) (*Tokens, error) { return parseTokens(strings.Split(setting, ",")) }

// parseTokenFile reads the text of the file API_TOKENS_FILE: a token on each
// line, as in API_TOKENS. Empty lines and those that begin with # are passed
// over.
func parseTokenFile(text string) (*Tokens, error) {
	var parts []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			parts = append(parts, strings.Split(line, ",")...)
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("no service token is in it")
	}
	return parseTokens(parts)
}

func parseTokens(parts []string) (*Tokens, error) {
	t := &Tokens{}
	var wrong []error
	for i, part := range parts {
		name, token, found := strings.Cut(strings.TrimSpace(part), ":")
		switch {
		case !found || name == "":
			wrong = append(wrong, fmt.Errorf("service token %d is not of the form name:token", i+1))
		case len(token) < minToken:
			wrong = append(wrong, fmt.Errorf("service token %q is shorter than %d bytes", name, minToken))
		case strings.HasPrefix(token, access.KeyPrefix):
			wrong = append(wrong, fmt.Errorf("service token %q begins with %s, as organizations' keys do", name, access.KeyPrefix))
		default:
			t.names = append(t.names, name)
			t.sums = append(t.sums, sha256.Sum256([]byte(token)))
		}
	}
	return t, errors.Join(wrong...)
}

// Find returns the name of a token, and whether it is one of these. The time it
// takes does not depend on how much of a token is right, nor on which token it
// is.
func (t *Tokens) Find(token string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.sums {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], t.sums[i][:]), i, found)
	}
	if found < 0 {
		return "", false
	}
	return t.names[found], true
}
