package egress_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
)

// seen is what a client makes of an answer.
type seen struct {
	class  delivery.Reason // of the failure, when there is no answer
	status int
	answer delivery.Response

	whole []byte // by net/http only: the body as far as egress reads it
	ended bool   // by net/http only: whole is all of it
}

// String implements fmt.Stringer.
func (s seen) String() string {
	if s.class != "" {
		return string(s.class)
	}
	return fmt.Sprintf("status %d, body %d bytes %q, cut %t, coding %q, header %.200q, cut %t", s.status,
		len(s.answer.Body), abbreviated(string(s.answer.Body)), s.answer.Truncated, s.answer.Encoding, s.answer.Header, s.answer.HeaderTruncated)
}

// FuzzAnswers gives the same answer to egress and to net/http's client. Both must
// make the same of it, except for the differences that meant lists. The request
// after it must get its own answer from egress, and may use the connection only
// where net/http would use it again.
func FuzzAnswers(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) { compare(t, input) })
}

// Answers that are made of random bytes are tried with every run, always the same.
func TestRandomAnswers(t *testing.T) {
	t.Parallel()
	for part := range 8 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(part), 0))
			for range 60 {
				input := make([]byte, 80)
				for i := range input {
					input[i] = byte(random.UintN(256))
				}
				input[0] &^= inputVerbatim
				compare(t, input)
			}
		})
	}
}

func TestAnswersThatEndAtEveryByte(t *testing.T) {
	t.Parallel()
	for i, text := range []string{
		hint + ok,
		head200 + "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: a\r\n\r\n",
		"HTTP/1.1 404 Not Found\nContent-Encoding: gzip\n\n" + packed("not found"),
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for n := range len(text) {
				flags := byte(inputVerbatim | inputEnds)
				if n%2 == 0 {
					flags |= inputKept
				}
				compare(t, append([]byte{flags, 0}, text[:n]...))
			}
		})
	}
}

// compare gives both clients the answer that an input makes.
func compare(t *testing.T, input []byte) {
	t.Helper()
	v := converse(input)
	reference := byNetHTTP(t, newPeer(t, v))
	p := newPeer(t, v)
	c := newClient(t, patience, "")
	if v.kept {
		answered(200, "before").check(t, "the request before", c.Send(t.Context(), requestTo(p.base+"/before", "acme")))
	}
	got := byEgress(c.Send(t.Context(), requestTo(p.base+"/first", "acme")))
	if why := meant(v.parsed, reference, got); why == "" {
		if fault := disagree(reference, got); fault != "" {
			t.Errorf("%s\ninput %q: to %s\nnet/http: %s\negress:   %s", fault, input, v, reference, got)
		}
	}
	p.settle(t)
	answered(200, "second").check(t, fmt.Sprintf("input %q: the request after %s", input, v), c.Send(t.Context(), requestTo(p.base+"/second", "acme")))
	if p.reuses() && !v.parsed.reusable {
		t.Errorf("input %q: the connection is used again after %s", input, v)
	}
}

// String implements fmt.Stringer.
func (v conversation) String() string {
	return fmt.Sprintf("%q in pieces of %d, TLS %t, kept %t, ends %t", abbreviated(v.answer), v.pieces, v.secure, v.kept, v.ends)
}

// byEgress returns what egress recorded.
func byEgress(out delivery.Outcome) seen {
	if out.StatusCode == 0 {
		return seen{class: out.Reason}
	}
	return seen{status: out.StatusCode, answer: out.Response}
}

// byNetHTTP asks a peer by net/http's client, and keeps as much of its answer.
func byNetHTTP(t *testing.T, p *peer) seen {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: testAuthority().pool}}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+path, bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		return c.Do(r)
	}
	if p.kept {
		resp, err := ask("/before")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	resp, err := ask("/first")
	if err != nil {
		return seen{class: classOf(err)}
	}
	defer resp.Body.Close()
	s := seen{status: resp.StatusCode, answer: delivery.Response{Header: resp.Header}}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return s // what follows is not HTTP
	}
	s.whole, err = io.ReadAll(io.LimitReader(resp.Body, egress.DefaultMaxAnswer))
	_, beyond := resp.Body.Read(make([]byte, 1))
	s.ended = err == nil && errors.Is(beyond, io.EOF)
	s.answer.Body, s.answer.Truncated = first(s.whole), len(s.whole) > egress.DefaultKeepAnswer || !s.ended
	return s
}

// first returns the part of a body that is kept.
func first(body []byte) []byte { return body[:min(len(body), egress.DefaultKeepAnswer)] }

// classOf returns the reason that egress has for what failed net/http's client.
func classOf(err error) delivery.Reason {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return delivery.ReasonTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return delivery.ReasonReset
	default:
		return delivery.ReasonProtocol
	}
}
