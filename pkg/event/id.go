package event

import (
	"crypto/rand"
	"encoding/base32"
	"time"
)

// crockford is the alphabet of ULIDs, in lower case.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID returns a new event id: "evt_" and a lower-case ULID, so that ids sort
// by time to the millisecond.
func NewID(now time.Time) string { return "evt_" + newULID(now) }

// NewTestID returns a new id for an event of the Test button, "evt_test_" and
// a lower-case ULID.
func NewTestID(now time.Time) string { return "evt_test_" + newULID(now) }

// newULID returns 48 bits of Unix milliseconds in ten characters and 80 random
// bits in sixteen.
func newULID(now time.Time) string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the program instead
	id := make([]byte, 0, 26)
	ms := now.UnixMilli()
	for shift := 45; shift >= 0; shift -= 5 {
		id = append(id, crockford[ms>>shift&31])
	}
	return string(base32.NewEncoding(crockford).WithPadding(base32.NoPadding).AppendEncode(id, random[:]))
}
