package egress_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// step is a part of what a receiver does when a request has arrived. An error
// ends the connection.
type step func(*connection) error

// errEnd ends a connection without more.
var errEnd = errors.New("the connection ends")

// say sends a text by one write: over TLS in a record of its own.
func say(text string) step {
	return func(c *connection) error {
		_, err := io.WriteString(c, text)
		return err
	}
}

// together sends texts by one write of the socket, over TLS each in a record of
// its own.
func together(texts ...string) step {
	return func(c *connection) error {
		c.raw.cork()
		for _, text := range texts {
			if _, err := io.WriteString(c, text); err != nil {
				return err
			}
		}
		return c.raw.uncork()
	}
}

// drip sends a text byte by byte.
func drip(text string) step {
	return func(c *connection) error {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// dripForever sends a text again and again, one every 20 ms.
func dripForever(text string) step {
	return func(c *connection) error {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return err
			}
			<-tick.C
		}
	}
}

// repeat sends a text n times; as long as it is taken when n is negative.
func repeat(n int, text string) step {
	return func(c *connection) error {
		_ = c.raw.SetWriteBuffer(64 << 10) // what is counted as sent is soon taken
		block := strings.Repeat(text, max(1, 16<<10/len(text)))
		for left := n * len(text); left != 0; {
			part := block
			if n > 0 {
				part = block[:min(left, len(block))]
				left -= len(part)
			}
			if _, err := io.WriteString(c, part); err != nil {
				return err
			}
		}
		return nil
	}
}

// hangUp closes the connection: TLS and TCP, as they should be.
func hangUp(*connection) error { return errEnd }

// cutOff ends what TCP sends and says nothing in the layer above it.
func cutOff(c *connection) error { return c.raw.CloseWrite() }

// reset has the other side read an error.
func reset(c *connection) error {
	_ = c.raw.SetLinger(0)
	_ = c.raw.Close()
	return errEnd
}

// closeNotify has TLS say that nothing more will come, while TCP stays.
func closeNotify(c *connection) error { return c.Conn.(*tls.Conn).CloseWrite() }

// arrives waits until all that was sent is in the kernel of the other side, so
// that a reset does not overtake it.
func arrives(c *connection) error {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for !c.raw.arrived() {
		<-tick.C
	}
	return nil
}

// farewell says that nothing more will come, and reads on.
func farewell(c *connection) error {
	if secured, is := c.Conn.(*tls.Conn); is {
		if err := secured.CloseWrite(); err != nil {
			return err
		}
	}
	return c.raw.CloseWrite()
}

// silence says nothing until the other side hangs up.
func silence(c *connection) error {
	_, _ = io.Copy(io.Discard, c)
	return errEnd
}

// deaf reads nothing more until the test is over.
func deaf(c *connection) error {
	<-c.receiver.over
	return errEnd
}

// http1 is how a receiver answers the request for badPath over HTTP/1.1.
type http1 struct {
	steps  []step
	early  bool   // before the request's body is read
	done   func() // called when the steps are over; may be nil
	gather func() // called before a request for gatherPath is answered
}

// serve reads requests and answers them until a step ends the connection. Any
// request but that for badPath is answered with its own path.
func (h http1) serve(c *connection) {
	in := bufio.NewReader(c)
	for {
		a, length, err := readHead(in)
		if err != nil {
			return
		}
		early := h.early && a.path == badPath
		if early {
			c.note(a)
			if h.perform(c) != nil {
				return
			}
		}
		if a.body, err = readBody(in, length); err != nil {
			return
		}
		if early {
			continue
		}
		c.note(a)
		if h.answer(c, a.path) != nil {
			return
		}
	}
}

func (h http1) answer(c *connection, path string) error {
	switch path {
	case badPath:
		return h.perform(c)
	case gatherPath:
		h.gather()
	}
	return own(path)(c)
}

func (h http1) perform(c *connection) error {
	if h.done != nil {
		defer h.done()
	}
	for _, s := range h.steps {
		if err := s(c); err != nil {
			return err
		}
	}
	return nil
}

// own answers with a request's own path, so that no other request's answer can
// be taken for its.
func own(path string) step {
	return say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path))
}

// readHead reads a request's head and returns the length of its body.
func readHead(in *bufio.Reader) (a arrival, length int, err error) {
	a.protocol = "HTTP/1.1"
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return a, 0, err
		}
		a.head += line
		if line == "\r\n" {
			break
		}
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); name == "Content-Length" {
			if length, err = strconv.Atoi(value); err != nil {
				return a, 0, err
			}
		}
	}
	_, rest, _ := strings.Cut(a.head, " ")
	a.path, _, _ = strings.Cut(rest, " ")
	return a, length, nil
}

func readBody(in *bufio.Reader, length int) (string, error) {
	body := make([]byte, length)
	_, err := io.ReadFull(in, body)
	return string(body), err
}
