package sqlstore_test

import (
	"testing"
	"testing/fstest"

	"github.com/dialnote/webhooks/pkg/store/internal/sqlstore"
)

// Which programs a database serves, by what each of its migrations serves.
func TestServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		serves []int // by migration, from the first on
		want   int
	}{
		{"an empty database serves every program", nil, 0},
		{"by itself a migration serves its own program", []int{1, 2, 3}, 3},
		{"one that adds something serves the program before", []int{1, 2, 2}, 2},
		{"two of them serve the program before both", []int{1, 2, 2, 2}, 2},
		{"the later one may serve fewer", []int{1, 2, 2, 3}, 3},
		{"one that removes ends it for the older", []int{1, 1, 3, 3}, 3},
		{"a later promise does not mend an earlier break", []int{1, 2, 3, 1}, 3},
		{"all the way back", []int{1, 1, 1, 1}, 1},
	} {
		if got := sqlstore.Served(c.serves); got != c.want {
			t.Errorf("%s: %v serves programs from %d on, want %d", c.name, c.serves, got, c.want)
		}
	}
}

func TestMigrationsSayWhomTheyServe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"CREATE TABLE t (n integer);":               2,
		"-- serves: 1\nCREATE TABLE t (n integer);": 1,
		"-- serves: 2\n":                            2,
		"-- A table.\n-- serves: 1\n":               2, // the first line, or nothing
		"-- serves: 3\n":                            0,
		"-- serves: 0\n":                            0,
		"-- serves: all\n":                          0,
	} {
		files := fstest.MapFS{"0001_a.sql": {Data: []byte("SELECT 1;")}, "0002_b.sql": {Data: []byte(text)}}
		got, err := sqlstore.ServesOf(files)
		if want == 0 && err == nil || want > 0 && (err != nil || got[1] != want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
