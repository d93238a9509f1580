package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
)

// streamBuffer is how much of a list is collected before it is written.
const streamBuffer = 16 << 10

// writePage writes a page of a list.
func writePage[E, S any](c echo.Context, next string, entries []E, present func(E) S) error {
	return writeList(c, struct{}{}, "data", entries, present, next)
}

// writeList writes an object: the fields of rest, the list of the entries as present
// shows them, and the cursor of the list's next page. The list is written as it is
// made, and only one entry at a time is there as text: large answers to many callers
// would else take more memory than there is.
func writeList[E, S any](c echo.Context, rest any, name string, entries []E, present func(E) S, next string) error {
	head, err := json.Marshal(rest)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	c.Response().WriteHeader(http.StatusOK)
	w := bufio.NewWriterSize(c.Response(), streamBuffer)
	// Flush returns what went wrong with any of what is written before.
	_, _ = w.Write(bytes.TrimSuffix(head, []byte("}")))
	if len(head) > len("{}") {
		_, _ = w.WriteString(",")
	}
	_, _ = w.WriteString(`"` + name + `":[`)
	for i, e := range entries {
		if i > 0 {
			_, _ = w.WriteString(",")
		}
		_, _ = w.Write(mustWrite(present(e)))
	}
	_, _ = w.WriteString(`],"nextCursor":`)
	_, _ = w.Write(append(mustWrite(encodeCursor(next)), '}'))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// mustWrite returns v as JSON. When v cannot be written it ends the connection: the
// caller must not take a part of an answer for the whole.
func mustWrite(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return text
}
