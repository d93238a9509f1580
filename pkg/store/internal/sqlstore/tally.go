package sqlstore

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

// tally counts things by a word for each. A column has it as text: each word and
// its count, all between spaces.
type tally map[string]int64

// add adds the counts of another tally.
func (t tally) add(other tally) {
	for word, n := range other {
		t[word] += n
	}
}

// String returns the text of a column. The words are in no order.
func (t tally) String() string {
	var text []byte
	for word, n := range t {
		text = strconv.AppendInt(append(append(text, word...), ' '), n, 10)
		text = append(text, ' ')
	}
	return strings.TrimSuffix(string(text), " ")
}

// MarshalJSON writes the text.
func (t tally) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.String()) //nolint:wrapcheck // It does not fail for texts.
}

// Scan implements sql.Scanner.
func (t *tally) Scan(value any) error {
	var text JSON
	if err := text.Scan(value); err != nil {
		return err
	}
	*t = tally{}
	for rest := string(text); rest != ""; {
		var word, count string
		word, rest, _ = strings.Cut(rest, " ")
		count, rest, _ = strings.Cut(rest, " ")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return fmt.Errorf("read the count of %q: %w", word, err)
		}
		(*t)[word] += n
	}
	return nil
}

// exactBelow is up to where times are counted to the millisecond.
const exactBelow = 128

// rounded returns a time in nanoseconds as it is counted: in milliseconds, begun
// ones included, of which the first seven binary digits count. It is at most a
// 64th more than the time, and an hour has few different ones.
func rounded(ns int64) int64 {
	whole := int64(store.LatencyResolution / time.Nanosecond)
	ms := max(0, ns/whole)
	if ns > ms*whole {
		ms++
	}
	step := int64(1) << bits.Len64(uint64(ms/exactBelow))
	return (ms + step - 1) / step * step
}
