package config

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// Bytes is a number of bytes, written like 10GiB, 500MB or 1048576; 0 is no bound.
type Bytes int64

// Auto is the Bytes of a setting that is written "auto": the service chooses.
const Auto Bytes = -1

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*b = Auto
		return nil
	}
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is no number of bytes like 10GiB", text)
	}
	*b = Bytes(n)
	return nil
}

// String returns the text that UnmarshalText reads, rounded.
func (b Bytes) String() string {
	if b < 0 {
		return "auto"
	}
	return humanize.IBytes(uint64(b))
}
