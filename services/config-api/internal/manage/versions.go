package manage

import (
	"slices"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Versions are the versions of a webhook that a change may be made to. The
// zero Versions is any.
type Versions struct{ only []int64 }

// OnlyVersions returns the versions of the list, which may be empty: then none
// will do.
func OnlyVersions(list []int64) Versions {
	return Versions{only: append(make([]int64, 0, len(list)), list...)}
}

// Any reports whether every version will do.
func (v Versions) Any() bool { return v.only == nil }

// check returns a fault of kind Stale when a version will not do.
func (v Versions) check(version int64) error {
	if v.Any() || slices.Contains(v.only, version) {
		return nil
	}
	return fault.New(fault.Stale, "stale-version", "The webhook has changed since you read it. Read it again and repeat your change.")
}
