package fault

// words are the kinds by their names. A name is for other programs: it never
// changes.
func words() map[Kind]string {
	return map[Kind]string{
		Internal: "internal", Malformed: "malformed", Invalid: "invalid", Unauthenticated: "unauthenticated", Forbidden: "forbidden",
		NotFound: "not_found", Conflict: "conflict", Stale: "stale", TooLarge: "too_large", UnsupportedType: "unsupported_type",
		RateLimited: "rate_limited", Unavailable: "unavailable",
	}
}

// String returns the kind's name, which other programs see.
func (k Kind) String() string { return words()[k] }

// ParseKind returns the kind of a name. What it does not know is Internal: a
// later version may have further kinds.
func ParseKind(name string) Kind {
	for k, word := range words() {
		if word == name {
			return k
		}
	}
	return Internal
}
