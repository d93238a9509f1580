package manage

import (
	"slices"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Versions are the versions of a webhook that a change may be made to. The
// zero Versions is any.
type Versions struct{ only []int64 }

// OnlyVersions returns the versions of the list. An empty list allows none.
func OnlyVersions(list []int64) Versions {
	return Versions{only: append(make([]int64, 0, len(list)), list...)}
}

// Any reports whether every version is allowed.
func (v Versions) Any() bool { return v.only == nil }

// check returns a fault of kind Stale when a version is not allowed.
func (v Versions) check(version int64) error {
	if v.Any() || slices.Contains(v.only, version) {
		return nil
	}
	return fault.New(fault.Stale, "stale-version", "The webhook has changed since you read it. Read it again and repeat your change.")
}
