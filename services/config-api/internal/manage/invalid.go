package manage

import (
	"slices"

	"github.com/dialnote/webhooks/pkg/fault"
)

// invalid returns an Invalid fault with all the fields, in the order of the
// form and unknown ones last, or nil without any.
func invalid(wrong, broken []fault.Field) error {
	all := fault.Distinct(slices.Concat(wrong, broken))
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b fault.Field) int { return place(a) - place(b) })
	return fault.InvalidFields(all...)
}

func place(f fault.Field) int {
	form := []string{"/name", "/provider", "/url", "/targetUrl", "/event"}
	if i := slices.Index(form, f.Pointer); i >= 0 {
		return i
	}
	return len(form)
}
