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
}
