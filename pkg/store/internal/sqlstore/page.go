package sqlstore

import "github.com/dialnote/webhooks/pkg/store"

// fitting returns how many of the rows a page has room for: at most limit, and no
// more than hold about store.PageBytes, but always one.
func fitting[R any](rows []R, limit int, size func(R) int) int {
	most := min(len(rows), limit)
	held := 0
	for n := range most {
		if held += size(rows[n]); held > store.PageBytes && n > 0 {
			return n
		}
	}
	return most
}
