package receiver

import "crypto/sha256"

// idKey is the first 16 bytes of an id's SHA-256: of fixed size, so that a
// million ids fit in some 60 MB, and too wide for two ids ever to meet.
type idKey [16]byte

func keyOf(id string) idKey {
	sum := sha256.Sum256([]byte(id))
	return idKey(sum[:16])
}

// Seen is how often an id came in.
type Seen struct {
	Requests uint32 `json:"requests"` // every request that named it
	Accepted uint32 `json:"accepted"` // those that were answered with 2xx
}

// idSet counts ids. It is not safe for concurrent use.
type idSet struct {
	seen     map[idKey]Seen
	accepted int    // ids accepted at least once
	repeats  uint64 // acceptances after an id's first
}

func newIDSet() *idSet { return &idSet{seen: make(map[idKey]Seen)} }

// add counts a request that names id and returns what is now known of it.
func (s *idSet) add(id string, accepted bool) Seen {
	key := keyOf(id)
	seen := s.seen[key]
	seen.Requests++
	if accepted {
		seen.Accepted++
		if seen.Accepted == 1 {
			s.accepted++
		} else {
			s.repeats++
		}
	}
	s.seen[key] = seen
	return seen
}

// summary returns the set's figures.
func (s *idSet) summary() IDSummary {
	return IDSummary{Distinct: len(s.seen), Accepted: s.accepted, Repeats: s.repeats}
}

// IDSummary is a set of ids in three numbers.
type IDSummary struct {
	Distinct int    `json:"distinct"` // different ids that came in
	Accepted int    `json:"accepted"` // different ids that were answered with 2xx at least once
	Repeats  uint64 `json:"repeats"`  // 2xx answers to an id that already had one: duplicates
}
