package postgres

import (
	"slices"
	"testing"
	"time"
)

func TestTheOldestDaysOfALargeLogAreDropped(t *testing.T) {
	t.Parallel()
	days := []logDay{
		{"attempts_20261125", 10},
		{"attempts_20261126", 20},
		{"attempts_20261127", 30},
		{"attempts_20261128", 40},
		{"attempts_20261129", 50},
		{"attempts_default", 1},
		{"attempts_mine", 1},
	}
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		bytes int64
		now   time.Time
		want  []string
	}{
		{"all that is there", 152, at, nil},
		{"one byte less", 151, at, []string{"attempts_20261125"}},
		{"without the first", 142, at, []string{"attempts_20261125"}},
		{"a byte less again", 141, at, []string{"attempts_20261125", "attempts_20261126"}},
		{"nothing", 0, at, []string{"attempts_20261125", "attempts_20261126", "attempts_20261127"}},
		{"nothing, a day later", 0, at.Add(12 * time.Hour), []string{"attempts_20261125", "attempts_20261126", "attempts_20261127", "attempts_20261128"}},
		{"nothing, just before", 0, at.Add(12*time.Hour - time.Nanosecond), []string{"attempts_20261125", "attempts_20261126", "attempts_20261127"}},
	} {
		if got := tooMuch(days, c.now, c.bytes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
