package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Listener is one address that a receiver listens on.
type Listener struct {
	server *http.Server
	addr   net.Addr
	scheme string
	ended  chan error
}

// Addr returns the address in use, with the port that was chosen for port 0.
func (l *Listener) Addr() string { return l.addr.String() }

// URL returns the listener's URL for a path, with the host of Addr.
func (l *Listener) URL(path string) string { return l.scheme + "://" + l.Addr() + path }

// Listen serves HTTP/1.1 on addr until Close.
func (r *Receiver) Listen(ctx context.Context, addr string) (*Listener, error) {
	return r.ListenHandler(ctx, addr, r)
}

// ListenHandler is Listen with a handler around the receiver, for what else
// should answer at the same address.
func (r *Receiver) ListenHandler(ctx context.Context, addr string, handler http.Handler) (*Listener, error) {
	inner, err := listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	return r.serve(wireListener{Listener: inner}, "http", r.server(handler)), nil
}

// ListenTLS serves HTTP/1.1 over TLS on addr until Close, with a certificate
// made by an Authority.
func (r *Receiver) ListenTLS(ctx context.Context, addr string, certificate tls.Certificate) (*Listener, error) {
	inner, err := listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	config := tlsConfig(certificate, "http/1.1")
	return r.serve(wireListener{Listener: inner, tls: config}, "https", r.server(r)), nil
}

// ListenHTTP2 serves HTTP/2 and HTTP/1.1 over TLS on addr until Close. Its
// requests have no Wire.
func (r *Receiver) ListenHTTP2(ctx context.Context, addr string, certificate tls.Certificate) (*Listener, error) {
	inner, err := listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	server := r.server(r)
	server.TLSConfig = tlsConfig(certificate, "h2", "http/1.1")
	return r.serve(tls.NewListener(inner, server.TLSConfig), "https", server), nil
}

// Close closes every listener and connection, ends every answer and waits for
// the servers to end. The record can still be read.
func (r *Receiver) Close() error {
	r.close()
	r.mu.Lock()
	listeners := r.listeners
	r.listeners = nil
	r.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.server.Close(), <-l.ended)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the receiver: %w", err)
	}
	return nil
}

func (r *Receiver) serve(inner net.Listener, scheme string, server *http.Server) *Listener {
	l := &Listener{server: server, addr: inner.Addr(), scheme: scheme, ended: make(chan error, 1)}
	go func() {
		err := server.Serve(inner)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		l.ended <- err
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, l)
	return l
}

func (r *Receiver) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ConnContext:       withWireConn,
		ReadHeaderTimeout: 30 * time.Second,
		// Handshakes that fail and clients that leave are what is being tested.
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	inner, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return inner, nil
}

func tlsConfig(certificate tls.Certificate, protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   protocols,
		MinVersion:   tls.VersionTLS12,
	}
}
