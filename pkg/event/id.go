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

// IDTime returns when NewID made an id, to the millisecond. ok is false for an id
// of any other form. The id is its publisher's word: the time may be wrong.
func IDTime(id string) (made time.Time, ok bool) {
	const prefix, letters, timed = "evt_", 26, 10
	if len(id) != len(prefix)+letters || id[:len(prefix)] != prefix {
		return time.Time{}, false
	}
	ms := int64(0)
	for i, c := range []byte(id[len(prefix):]) {
		digit := crockfordDigit(c)
		if digit == noDigit || i == 0 && digit > 7 { // of 50 bits the time has 48
			return time.Time{}, false
		}
		if i < timed {
			ms = ms<<5 | int64(digit)
		}
	}
	return time.UnixMilli(ms).UTC(), true
}

// noDigit stands for a character that is no digit of a ULID.
const noDigit = 0xff

// crockfordDigit returns the value of a character of a ULID, or noDigit.
func crockfordDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c < 'a' || c > 'z':
		return noDigit
	}
	return crockfordLetters[c-'a']
}

//nolint:gochecknoglobals // constant: the values of a to z; i, l, o and u are no digits
var crockfordLetters = [26]byte{10, 11, 12, 13, 14, 15, 16, 17, noDigit, 18, 19, noDigit, 20, 21, noDigit, 22, 23, 24, 25, 26, noDigit, 27, 28, 29, 30, 31}
