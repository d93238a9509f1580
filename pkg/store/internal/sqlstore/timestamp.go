package sqlstore

import (
	"fmt"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// Timestamp reads a time however a database keeps it: as a time, or as
// microseconds since 1970. NULL is the zero time.
type Timestamp struct{ time.Time }

// Scan implements sql.Scanner.
func (t *Timestamp) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = v.UTC()
	case int64:
		t.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a %T is no time", value)
	}
	return nil
}

// MarshalJSON writes null for the zero time, as the columns do.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	text, err := t.Time.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write time: %w", err)
	}
	return text, nil
}

// recordable returns t as a row holds it.
func recordable(t time.Time) Timestamp { return Timestamp{delivery.Recordable(t)} }

// Param returns what to write for t: NULL for the zero time.
func (d Dialect) Param(t Timestamp) any {
	if t.IsZero() {
		return nil
	}
	return d.Time(t.Time)
}
