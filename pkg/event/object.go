package event

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// member is one key and value of an object, as places in the parser's output.
type member struct {
	key    int // the key's opening quote
	keyEnd int
	end    int   // of the value
	index  int64 // of an array-index key, notIndex of every other
}

// keyOf returns a member's key as it stands between its quotes.
func (p *parser) keyOf(m member) []byte { return p.out[m.key+1 : m.keyEnd-1] }

// notIndex ranks a member after all array indexes.
const notIndex = math.MaxInt64

// pairwise is the number of members up to which comparing every pair of keys
// is cheaper than a map.
const pairwise = 32

func (p *parser) object() error {
	if err := p.enter(); err != nil {
		return err
	}
	start, first := len(p.out), len(p.members)
	if err := p.readMembers(); err != nil {
		return err
	}
	p.arrange(start, first)
	p.members = p.members[:first]
	return nil
}

// readMembers reads an object and leaves its members, in the order and number
// of the text, at the end of p.members.
func (p *parser) readMembers() error {
	p.take()
	if p.space(); p.peek() == '}' {
		p.leave()
		return nil
	}
	for {
		p.space()
		m, err := p.member()
		if err != nil {
			return err
		}
		p.members = append(p.members, m)
		switch p.space(); p.peek() {
		case ',':
			p.take()
		case '}':
			p.leave()
			return nil
		default:
			return p.unexpected("a comma or }")
		}
	}
}

func (p *parser) member() (member, error) {
	if p.peek() != '"' {
		return member{}, p.unexpected("a key in double quotes")
	}
	m := member{key: len(p.out)}
	if err := p.text(); err != nil {
		return member{}, err
	}
	m.keyEnd = len(p.out)
	m.index = arrayIndex(p.keyOf(m))
	if p.space(); p.peek() != ':' {
		return member{}, p.unexpected("a colon")
	}
	p.take()
	p.space()
	if err := p.value(); err != nil {
		return member{}, err
	}
	m.end = len(p.out)
	return m, nil
}

// arrange brings the members of the object that begins at start into the order
// of a JavaScript object: array indexes first, ascending, then the other keys
// in the order of their first appearance, each with its last value.
func (p *parser) arrange(start, first int) {
	all := p.members[first:]
	kept := p.dropRepeated(all)
	if len(kept) == len(all) && slices.IsSortedFunc(kept, byIndex) {
		return
	}
	slices.SortStableFunc(kept, byIndex)
	p.scratch = append(p.scratch[:0], p.out[start:]...)
	p.out = append(p.out[:start], '{')
	for i, m := range kept {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, p.scratch[m.key-start:m.end-start]...)
	}
	p.out = append(p.out, '}')
}

func byIndex(a, b member) int { return cmp.Compare(a.index, b.index) }

// dropRepeated keeps, in ms itself, one member of each key: in the place of
// its first appearance, with its last value. Canonical keys are equal exactly
// when the JavaScript strings are.
func (p *parser) dropRepeated(ms []member) []member {
	if len(ms) > pairwise {
		return p.dropRepeatedOfMany(ms)
	}
	kept := ms[:0]
	var seen uint64 // a bit by each key's length and last letter: few share one
	for _, m := range ms {
		key := p.out[m.key:m.keyEnd]
		bit := uint64(1) << ((len(key) ^ int(key[len(key)-2])<<2) & 63)
		if seen&bit == 0 {
			seen |= bit
			kept = append(kept, m)
			continue
		}
		at := slices.IndexFunc(kept, func(k member) bool {
			return bytes.Equal(key, p.out[k.key:k.keyEnd])
		})
		if at < 0 {
			kept = append(kept, m)
		} else {
			kept[at] = m
		}
	}
	return kept
}

func (p *parser) dropRepeatedOfMany(ms []member) []member {
	places := make(map[string]int, len(ms))
	kept := ms[:0]
	for _, m := range ms {
		key := p.out[m.key:m.keyEnd]
		if at, repeated := places[string(key)]; repeated {
			kept[at] = m
			continue
		}
		places[string(key)] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

// arrayIndex returns the array index that a key's text is (ECMAScript: 0 to
// 2^32 - 2, written as Number would write it), or notIndex.
func arrayIndex(key []byte) int64 {
	if len(key) == 0 || len(key) > 10 || key[0] == '0' && len(key) > 1 {
		return notIndex
	}
	var n int64
	for _, c := range key {
		if !isDigit(c) {
			return notIndex
		}
		n = n*10 + int64(c-'0')
	}
	if n > math.MaxUint32-1 {
		return notIndex
	}
	return n
}
