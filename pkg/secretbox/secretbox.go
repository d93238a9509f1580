// Package secretbox encrypts what must be shown again (webhook secrets, keys)
// for keeping at rest.
package secretbox

// Box seals and opens. Associated data binds a sealed text to where it is
// kept: it opens only with the same associated data.
type Box interface {
	// Seal encrypts plain with the primary key.
	Seal(plain, associated []byte) ([]byte, error)
	// Open decrypts what any of the keys sealed. It fails when the key is not
	// known, the text was changed, or the associated data differs.
	Open(sealed, associated []byte) ([]byte, error)

	// KeyIDs returns the ids of the keys, the primary one first.
	KeyIDs() []string
}

// Header returns what every text begins with that the key of this id has
// sealed, and no other.
func Header(keyID string) []byte {
	return append([]byte{format, byte(len(keyID))}, keyID...) //nolint:gosec // an id has 32 characters at most
}

// MaxHeader is the length of the longest Header.
const MaxHeader = 2 + maxID

// KeyID returns the id of the key that has sealed a text, which may be cut after
// MaxHeader bytes, or ErrMalformed.
func KeyID(sealed []byte) (string, error) {
	id, _, err := split(sealed)
	return id, err
}
