package event

import (
	"errors"
	"fmt"
	"sync"
)

// MaxCanonicalDepth is how many levels of objects and arrays Canonical reads.
// Node's own JSON.stringify ends at a few thousand, where its stack does.
const MaxCanonicalDepth = 1000

// ErrTooDeep says that a text nests more levels than the reader allows.
var ErrTooDeep = errors.New("objects and arrays are nested too deep")

// SyntaxError says where a text stops being JSON. JSON.parse refuses the same
// texts, and besides them only invalid UTF-8 is refused, which a JavaScript
// string cannot hold.
type SyntaxError struct {
	Offset  int    // bytes before the trouble
	Problem string // plain words, safe to show
}

// Error returns the problem and its place.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("at byte %d: %s", e.Offset, e.Problem)
}

// Canonical returns the bytes that JSON.stringify(JSON.parse(text)) gives in
// Node, for every JSON text. Customers verify signatures over those bytes, so
// they are the only form in which a text may be sent.
//
// It returns a *SyntaxError when text is not JSON or not UTF-8, and an error
// that wraps ErrTooDeep beyond MaxCanonicalDepth levels. text is not kept.
func Canonical(text []byte) ([]byte, error) {
	p := newParser(text, MaxCanonicalDepth)
	defer p.done()
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.out, nil
}

// parser reads a JSON text once and writes its canonical form as it goes. All
// levels share its buffers.
type parser struct {
	in     []byte
	pos    int
	out    []byte
	levels int // how many more levels may be entered
	*buffers
}

// buffers are what a parser works in. They are used again, but for those that a
// large text has made large.
type buffers struct {
	members []member // of the objects being read, the outermost first
	scratch []byte
}

var pool = sync.Pool{New: func() any { return &buffers{members: make([]member, 0, 32)} }} //nolint:gochecknoglobals // memory, no state

// newParser returns a parser; its done method must be called at the end.
func newParser(text []byte, levels int) parser {
	return parser{in: text, levels: levels, out: make([]byte, 0, len(text)), buffers: pool.Get().(*buffers)} //nolint:forcetypeassert // nothing else is in it
}

// done gives the parser's buffers back. What it has written remains.
func (p *parser) done() {
	const mostMembers, mostScratch = 256, 16 << 10
	if cap(p.members) <= mostMembers && cap(p.scratch) <= mostScratch {
		p.members, p.scratch = p.members[:0], p.scratch[:0]
		pool.Put(p.buffers)
	}
	p.buffers = nil
}

// document reads the whole text as one value.
func (p *parser) document() error {
	p.space()
	if err := p.value(); err != nil {
		return err
	}
	return p.end()
}

// end reads the space after the value, and nothing else may follow.
func (p *parser) end() error {
	p.space()
	if p.pos < len(p.in) {
		return p.unexpected("the end of the text")
	}
	return nil
}

func (p *parser) value() error {
	switch c := p.peek(); c {
	case '"':
		return p.text()
	case '{':
		return p.object()
	case '[':
		return p.array()
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	default:
		if c == '-' || isDigit(c) {
			return p.number()
		}
		return p.unexpected("a value")
	}
}

func (p *parser) literal(word string) error {
	if len(p.in)-p.pos < len(word) || string(p.in[p.pos:p.pos+len(word)]) != word {
		return p.unexpected("a value")
	}
	p.pos += len(word)
	p.out = append(p.out, word...)
	return nil
}

func (p *parser) array() error {
	if err := p.enter(); err != nil {
		return err
	}
	p.take()
	if p.space(); p.peek() == ']' {
		p.leave()
		return nil
	}
	for {
		p.space()
		if err := p.value(); err != nil {
			return err
		}
		switch p.space(); p.peek() {
		case ',':
			p.take()
		case ']':
			p.leave()
			return nil
		default:
			return p.unexpected("a comma or ]")
		}
	}
}

// enter counts a level.
func (p *parser) enter() error {
	if p.levels == 0 {
		return fmt.Errorf("at byte %d: %w", p.pos, ErrTooDeep)
	}
	p.levels--
	return nil
}

// leave takes the closing bracket of a level.
func (p *parser) leave() {
	p.take()
	p.levels++
}

// take copies one byte as it stands.
func (p *parser) take() {
	p.out = append(p.out, p.in[p.pos])
	p.pos++
}

// peek returns the next byte, 0 at the end. No token of JSON begins with 0.
func (p *parser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

// space skips what JSON calls white space, which is less than Unicode does.
func (p *parser) space() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\n', '\t', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) unexpected(wanted string) error {
	if p.pos >= len(p.in) {
		return &SyntaxError{Offset: p.pos, Problem: "the text ends where " + wanted + " was expected"}
	}
	return &SyntaxError{Offset: p.pos, Problem: "expected " + wanted}
}

func isDigit(c byte) bool { return c-'0' <= 9 }
