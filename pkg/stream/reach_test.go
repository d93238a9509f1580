package stream_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dialnote/webhooks/pkg/stream"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Whatever keeps a service from NATS, one line of its log says what it is, and so
// does the error of its readiness. The line is not repeated.
func TestTheReasonIsSaid(t *testing.T) {
	t.Parallel()
	ca, stranger := newCertificate(t, nil), newCertificate(t, nil)
	caFile, strangerFile := write(t, "ca.pem", ca.certPEM), write(t, "stranger.pem", stranger.certPEM)
	own := newCertificate(t, ca).pair(t)
	secure := func(ask tls.ClientAuthType) string {
		pool := x509.NewCertPool()
		pool.AddCert(ca.cert)
		return serveNATS(t, &server.Options{
			TLS: true, TLSVerify: ask != tls.NoClientCert, TLSTimeout: 10,
			TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: ask},
		})
	}
	withUsers := serveNATS(t, &server.Options{Username: "api", Password: "right"})
	for name, c := range map[string]struct {
		addr     string
		security stream.Security
		want     string
	}{
		"nothing listens":       {"127.0.0.1:1", stream.Security{}, "no program listens at NATS_URL"},
		"no such host":          {"nowhere.invalid:4222", stream.Security{}, "cannot be resolved"},
		"another authority":     {secure(tls.NoClientCert), stream.Security{CAFile: strangerFile}, "of an authority that is not trusted here"},
		"no client certificate": {secure(tls.RequireAndVerifyClientCert), stream.Security{CAFile: caFile}, "NATS_CERT_FILE"},
		"a server without TLS":  {withUsers, stream.Security{CAFile: caFile, User: "api", Password: "right"}, "one side asks for TLS"},
		"a wrong password":      {withUsers, stream.Security{User: "api", Password: "wrong"}, "it refuses the credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said lines
			conn, err := stream.Connect(stream.Settings{URL: "nats://" + c.addr, Name: t.Name(), Security: c.security}, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conn.Close)
			await(t, func() bool {
				err := conn.Ready(t.Context())
				return err != nil && strings.Contains(err.Error(), c.want) && strings.Contains(said.String(), "NATS cannot be reached, trying again")
			})
			if all := said.String(); strings.Count(all, "NATS cannot be reached") != 1 || !strings.Contains(all, c.want) {
				t.Errorf("the log is\n%s", all)
			}
		})
	}
}

// The CA file is replaced while the program runs, as when the authority is renewed.
func TestAReplacedCAFileIsReadAgain(t *testing.T) {
	t.Parallel()
	ca := newCertificate(t, nil)
	own := newCertificate(t, ca).pair(t)
	addr := serveNATS(t, &server.Options{TLS: true, TLSTimeout: 10, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}})
	file := write(t, "ca.pem", newCertificate(t, nil).certPEM)
	conn, err := stream.Connect(stream.Settings{URL: "nats://" + addr, Name: t.Name(), Security: stream.Security{CAFile: file}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	await(t, func() bool {
		err := conn.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "not trusted here")
	})
	if err := os.WriteFile(file, ca.certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return conn.Ready(t.Context()) == nil })
}
