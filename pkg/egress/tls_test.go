package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// authority signs certificates for the tests' servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue returns a certificate for 127.0.0.1, changed by change.
func (a authority) issue(tb testing.TB, change func(*x509.Certificate)) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Test server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS starts an HTTPS server that speaks HTTP/2 unless told otherwise.
func serveTLS(tb testing.TB, cfg *tls.Config, http2 bool, handle http.HandlerFunc) *httptest.Server {
	tb.Helper()
	s := httptest.NewUnstartedServer(readFirst(handle))
	s.EnableHTTP2 = http2
	s.TLS = cfg
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	tb.Cleanup(s.Close)
	return s
}

func ok(http.ResponseWriter, *http.Request) {}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	for name, tt := range map[string]struct {
		config  *tls.Config
		message string
	}{
		"expired": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Date(2025, 11, 1, 12, 0, 0, 0, time.UTC)
			})}},
			"The certificate expired on 1 November 2025",
		},
		"not yet valid": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Date(2999, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2999, 12, 1, 0, 0, 0, 0, time.UTC)
			})}},
			"The certificate is not valid before 2 January 2999",
		},
		"another name": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, func(c *x509.Certificate) {
				c.IPAddresses, c.DNSNames = nil, []string{"other.example.com"}
			})}},
			"The certificate is for another name than 127.0.0.1",
		},
		"unknown authority": {
			&tls.Config{Certificates: []tls.Certificate{stranger.issue(t, nil)}},
			"The certificate is not from a known authority, or the server does not send its intermediate certificates",
		},
		"for no server": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
			})}},
			"The certificate is not valid",
		},
		"old TLS": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			"The server speaks no newer version than TLS 1.1: it must accept TLS 1.2 or 1.3",
		},
		"wants a certificate": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert},
			"The server asks for a client certificate, and webhooks have none: it must not ask for one at this URL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveTLS(t, tt.config, false, ok)
			c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
			out := c.Send(t.Context(), post(s.URL))
			want(t, out, delivery.ReasonTLS, tt.message)
			if "https://"+out.RemoteAddr != s.URL || out.Phases.Connect <= 0 || out.Phases.TLS <= 0 {
				t.Errorf("address %q, phases %+v", out.RemoteAddr, out.Phases)
			}
		})
	}
}

func TestTLSAlertAfterTheHandshake(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	reason, message := explain(alert, circumstances{host: "example.com", stream: new(stream)})
	if reason != delivery.ReasonTLS {
		t.Fatalf("%s %q", reason, message)
	}
}

func TestNoTLSThere(t *testing.T) {
	t.Parallel()
	s := listen(t, "tcp", "127.0.0.1:0", func(c *net.TCPConn) {
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}
		_, _ = io.Copy(io.Discard, c)
	})
	out := client(t, nil).Send(t.Context(), post("https://"+s.Addr().String()))
	want(t, out, delivery.ReasonTLS, "The server does not speak HTTPS on this port")
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			got := make(chan *http.Request, 2)
			s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, version == "HTTP/2.0", func(w http.ResponseWriter, r *http.Request) {
				got <- r
				_, _ = io.WriteString(w, "ok")
			})
			c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
			r := post(s.URL)
			r.Fields = append(r.Fields, delivery.Field{Name: "X-DialNote-Signature", Value: "sha256=abc"})

			first := c.Send(t.Context(), r)
			want(t, first, "", "")
			received := <-got
			if received.Proto != version || received.ContentLength != int64(len(r.Body)) || received.Header.Get("X-Dialnote-Signature") != "sha256=abc" {
				t.Errorf("received %s, %d bytes, %v", received.Proto, received.ContentLength, received.Header)
			}
			if len(received.Header.Values("X-Idempotency-Key")) != 0 || received.Header.Get("Accept-Encoding") != "" {
				t.Errorf("received %v", received.Header)
			}
			if p := first.Phases; p.Connect <= 0 || p.TLS <= 0 || p.FirstByte <= 0 || string(first.Response.Body) != "ok" {
				t.Errorf("phases %+v, body %q", p, first.Response.Body)
			}

			second := c.Send(t.Context(), r)
			want(t, second, "", "")
			if p := second.Phases; p.Connect != 0 || p.TLS != 0 || p.FirstByte <= 0 || second.RemoteAddr != first.RemoteAddr || second.RemoteAddr == "" {
				t.Errorf("a kept connection: phases %+v, address %q", p, second.RemoteAddr)
			}
		})
	}
}

func TestHTTP2Failures(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/wait":
			<-r.Context().Done()
		case "/endless":
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 16<<10))
			}
		}
	})
	c := client(t, func(cfg *Config) { cfg.RootCAs = ca.pool(); cfg.Timeout = short })
	want(t, c.Send(t.Context(), post(s.URL+"/wait")), delivery.ReasonTimeout, "No answer within 300ms")

	c = client(t, func(cfg *Config) { cfg.RootCAs = ca.pool() })
	want(t, c.Send(t.Context(), post(s.URL+"/abort")), delivery.ReasonReset, "Server closed the connection without a complete answer")
	out := c.Send(t.Context(), post(s.URL+"/endless"))
	want(t, out, "", "")
	if len(out.Response.Body) != DefaultKeepAnswer || !out.Response.Truncated {
		t.Errorf("kept %d bytes, cut %t", len(out.Response.Body), out.Response.Truncated)
	}
}

func TestExtraCAFile(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}}, true, ok)
	for name, roots := range map[string]*x509.CertPool{"system": nil, "given": newAuthority(t).pool()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, func(cfg *Config) { cfg.ExtraCAFile, cfg.RootCAs = file, roots })
			want(t, c.Send(t.Context(), post(s.URL)), "", "")
		})
	}
}
