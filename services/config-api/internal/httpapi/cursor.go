package httpapi

import (
	"encoding/base64"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// cursorForm marks the form of the cursors given out, so that a later form can
// be told apart.
const cursorForm = "1"

// encodeCursor returns the API's cursor for the store's, nil at the end of a
// list. It is opaque so that callers do not build their own.
func encodeCursor(after string) *string {
	if after == "" {
		return nil
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(cursorForm + after))
	return &cursor
}

// decodeCursor returns the store's cursor, "" for an absent one, and a fault of
// kind Malformed for a text that encodeCursor cannot have made.
func decodeCursor(cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err != nil || len(text) < 2 || string(text[:1]) != cursorForm || !printable(text) {
		return "", invalidCursor()
	}
	after := string(text[1:])
	if *encodeCursor(after) != *cursor { // the decoder overlooks line breaks
		return "", invalidCursor()
	}
	return after, nil
}

// pageOf returns the page that a list is asked for.
func pageOf(limit *int, cursor *string) (store.Page, error) {
	after, err := decodeCursor(cursor)
	page := store.Page{Limit: defaultLimit, After: after}
	if limit != nil {
		page.Limit = *limit
	}
	return page, err
}

// listError returns the API's error for the store's error of a list. Invalid means
// a cursor of the right form that the store did not make.
func listError(err error) error {
	if fault.Is(err, fault.Invalid) {
		return invalidCursor().Because(err)
	}
	return err
}

func invalidCursor() *fault.Error {
	return contract.InvalidParameters(fault.Field{
		Pointer: "cursor", Detail: "cursor must be the nextCursor of an earlier answer, or left out.",
	})
}

func printable(text []byte) bool {
	for _, b := range text {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}
