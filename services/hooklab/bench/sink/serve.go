package sink

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

// Places is where a receiver listens.
type Places struct {
	Control   string   `json:"control"`   // URL of the control API
	HTTP      string   `json:"http"`      // URL, without a path
	HTTPS     string   `json:"https"`     // URL; HTTP/1.1 only
	HTTP2     string   `json:"http2"`     // URL; https, HTTP/2 offered
	Hosts     []string `json:"hosts"`     // URLs on distinct addresses and ports
	Secure    []string `json:"secure"`    // URLs on the same addresses; https, HTTP/1.1 only
	Authority string   `json:"authority"` // PEM that the certificates are trusted by
}

// Serve listens on loopback, on this many further hosts too, writes the Places
// as a line of JSON, and serves until ctx ends.
func Serve(ctx context.Context, hosts int, out io.Writer) error {
	s := &server{sink: New(), failed: make(chan error, 1)}
	defer s.close()
	places, err := s.listen(ctx, hosts)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if err := json.NewEncoder(out).Encode(places); err != nil {
		return fmt.Errorf("say where: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

type server struct {
	sink    *Sink
	servers []*http.Server
	failed  chan error
}

func (s *server) listen(ctx context.Context, hosts int) (p Places, err error) {
	names := []string{"127.0.0.1"}
	for n := range hosts {
		names = append(names, loopback(n))
	}
	authority, err := receiver.NewAuthority(names...)
	if err != nil {
		return p, err
	}
	certificate, err := authority.Certificate(receiver.GoodCertificate)
	if err != nil {
		return p, err
	}
	p.Authority = string(authority.PEM())
	plain, secure := s.server(s.sink), s.secure(certificate, "http/1.1")
	if p.HTTP, err = s.serve(ctx, plain, "http", "127.0.0.1:0"); err != nil {
		return p, err
	}
	for n := range hosts {
		where, err := s.serve(ctx, plain, "http", net.JoinHostPort(loopback(n), "0"))
		if err != nil {
			return p, err
		}
		p.Hosts = append(p.Hosts, where)
		if where, err = s.serve(ctx, secure, "https", net.JoinHostPort(loopback(n), "0")); err != nil {
			return p, err
		}
		p.Secure = append(p.Secure, where)
	}
	if p.HTTPS, err = s.serve(ctx, secure, "https", "127.0.0.1:0"); err != nil {
		return p, err
	}
	if p.HTTP2, err = s.serve(ctx, s.secure(certificate, "h2", "http/1.1"), "https", "127.0.0.1:0"); err != nil {
		return p, err
	}
	p.Control, err = s.serve(ctx, s.server(s.sink.control()), "http", "127.0.0.1:0")
	return p, err
}

// loopback returns the nth loopback address beyond those that other programs
// use. All of 127.0.0.0/8 is this machine.
func loopback(n int) string {
	const each = 250
	return "127.77." + strconv.Itoa(n/each) + "." + strconv.Itoa(1+n%each)
}

func (s *server) server(h http.Handler) *http.Server {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that leave are part of it
	}
	s.servers = append(s.servers, srv)
	return srv
}

func (s *server) secure(certificate tls.Certificate, protocols ...string) *http.Server {
	srv := s.server(s.sink)
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
	if len(protocols) == 1 { // without this, ServeTLS would offer HTTP/2 too
		srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	return srv
}

func (s *server) serve(ctx context.Context, srv *http.Server, scheme, addr string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen on %s: %w", addr, err)
	}
	go func() {
		var err error
		if scheme == "https" {
			err = srv.ServeTLS(listener, "", "")
		} else {
			err = srv.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			select {
			case s.failed <- fmt.Errorf("serve %s: %w", addr, err):
			default: // one is enough
			}
		}
	}()
	return scheme + "://" + listener.Addr().String(), nil
}

func (s *server) close() {
	for _, srv := range s.servers {
		_ = srv.Close() // the process ends
	}
}
