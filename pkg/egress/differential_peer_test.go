package egress_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// peer is the receiver of one conversation with one client.
type peer struct {
	conversation

	base    string         // of its URLs
	written sync.WaitGroup // of what is sent in answer to /first

	mu      sync.Mutex
	sockets []*socket // on which the request for first came
	reused  bool      // the request for second came on the last of them
}

// stage is a server on which many conversations go on, each under a path of its
// own: a listener for each would cost more than all the rest.
type stage struct {
	listener net.Listener
	secure   *tls.Config // nil for one in clear
	sent     atomic.Int64
	last     atomic.Int64 // number of the last peer

	mu    sync.Mutex
	peers map[string]*peer // by the first element of the path
}

// The stages of this process.
var (
	clearStage  = sync.OnceValue(func() *stage { return newStage(nil) })
	secureStage = sync.OnceValue(func() *stage { return newStage(receiverTLS("http/1.1")) })
)

func newStage(secure *tls.Config) *stage {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // the machine has no port left
	}
	s := &stage{listener: l, secure: secure, peers: make(map[string]*peer)}
	go eachConnection(l, func(c *net.TCPConn) {
		defer c.Close()
		s.serve(c)
	})
	return s
}

// newPeer returns the receiver of a conversation, for the time of a test.
func newPeer(t *testing.T, v conversation) *peer {
	t.Helper()
	s, scheme := clearStage(), "http://"
	if v.secure {
		s, scheme = secureStage(), "https://"
	}
	name := fmt.Sprint(s.last.Add(1))
	p := &peer{conversation: v, base: scheme + s.listener.Addr().String() + "/" + name}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[name] = p
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.peers, name)
	})
	return p
}

// of returns the peer of a path, and the rest of the path.
func (s *stage) of(path string) (*peer, string) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[name], rest
}

// serve answers each request for first as its conversation says, and any other
// with the rest of its path.
func (s *stage) serve(raw *net.TCPConn) {
	c := &connection{raw: &socket{TCPConn: raw, sent: &s.sent}}
	c.Conn = c.raw
	if s.secure != nil {
		c.Conn = tls.Server(c.raw, s.secure)
	}
	in := bufio.NewReader(c)
	for {
		a, length, err := readHead(in)
		if err != nil {
			return
		}
		if _, err := readBody(in, length); err != nil {
			return
		}
		switch p, path := s.of(a.path); {
		case p == nil:
			return
		case path == "first":
			err = p.speak(c)
		default:
			p.note(c.raw)
			err = own(path)(c)
		}
		if err != nil {
			return
		}
	}
}

// settle waits until all that was sent in answer to first is in the client's
// kernel.
func (p *peer) settle(t *testing.T) {
	t.Helper()
	p.written.Wait()
	await(t, "what the receiver sent arrives", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, s := range p.sockets {
			if !s.arrived() {
				return false
			}
		}
		return true
	})
}

// note notes by which connection another request than that for first came.
func (p *peer) note(by *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reused = p.reused || slices.Contains(p.sockets, by)
}

// reuses reports whether a connection was used after the request for first.
func (p *peer) reuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reused
}

// speak sends the answer in its pieces, and ends the connection if it is to end.
func (p *peer) speak(c *connection) error {
	p.mu.Lock()
	p.sockets = append(p.sockets, c.raw)
	p.mu.Unlock()
	p.written.Add(1)
	err := p.send(c)
	p.written.Done()
	if err == nil && p.ends {
		err = silence(c)
	}
	return err
}

func (p *peer) send(c *connection) error {
	for _, piece := range p.parts() {
		if _, err := io.WriteString(c, piece); err != nil {
			return err
		}
	}
	if p.ends {
		return farewell(c)
	}
	return nil
}

// parsing is what net/http's parser needs of an answer.
type parsing struct {
	needsEnd bool // the answer is not over with its last byte
	inHead   bool // nor is its head
	end      int  // bytes of the answer, if it is over
	reusable bool // the connection may be used after it
}

// parse finds out where an answer ends. A receiver that would keep its connection
// open while it does not has to end it, so that no client waits.
func parse(answer string) parsing {
	source := &exhausted{text: answer}
	in := bufio.NewReader(source)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
		if err != nil {
			return parsing{needsEnd: source.over, inHead: source.over}
		}
		if resp.StatusCode >= 100 && resp.StatusCode <= 199 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		p := parsing{needsEnd: source.over, end: len(answer) - len(source.text) - in.Buffered()}
		p.reusable = err == nil && !resp.Close && !source.over && p.end == len(answer) && resp.StatusCode != http.StatusSwitchingProtocols
		return p
	}
}

// exhausted is a reader that notes that more was read than there is.
type exhausted struct {
	text string
	over bool
}

// Read implements io.Reader.
func (e *exhausted) Read(p []byte) (int, error) {
	if e.text == "" {
		e.over = true
		return 0, io.EOF
	}
	n := copy(p, e.text)
	e.text = e.text[n:]
	return n, nil
}
