package fault

import "slices"

// Distinct returns fields with only the first of each pointer: what a schema
// already said of a field need not be said again by a rule.
func Distinct(fields []Field) []Field {
	seen := make(map[string]bool, len(fields))
	kept := make([]Field, 0, len(fields))
	for _, f := range fields {
		if !seen[f.Pointer] {
			seen[f.Pointer] = true
			kept = append(kept, f)
		}
	}
	return slices.Clip(kept)
}
