package eventfeed

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// Places writes places in the event stream as text that says nothing to its reader.
// The number itself would show how many events all other organizations have.
type Places struct{ Box secretbox.Box }

// Text returns the text of an organization's place. Two texts of the same place
// differ.
func (p Places) Text(organizationID string, sequence uint64) (string, error) {
	sealed, err := p.Box.Seal(binary.BigEndian.AppendUint64(nil, sequence), placeOf(organizationID))
	if err != nil {
		return "", fmt.Errorf("write a place in the event stream: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Sequence returns the place of a text. It returns a fault of kind Malformed for a
// text that Text did not make for this organization, or under a key that is gone.
func (p Places) Sequence(organizationID, text string) (uint64, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		sealed, err = p.Box.Open(sealed, placeOf(organizationID))
	}
	if err != nil || len(sealed) != 8 {
		return 0, contract.InvalidParameters(fault.Field{
			Pointer: "Last-Event-ID", Detail: "Last-Event-ID must be the id of an event of this stream, or left out.",
		}).Because(err)
	}
	return binary.BigEndian.Uint64(sealed), nil
}

// placeOf binds a place to its organization.
func placeOf(organizationID string) []byte { return []byte("event stream " + organizationID) }
