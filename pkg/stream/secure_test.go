package stream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/stream"
)

// serveNATS runs a server with these options until the test ends.
func serveNATS(t *testing.T, opts *server.Options) string {
	t.Helper()
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	opts.JetStream, opts.StoreDir = true, t.TempDir()
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return srv.Addr().String()
}

// reaches checks whether the server lets a connection work.
func reaches(t *testing.T, what, url string, security stream.Security, want bool) {
	t.Helper()
	c, err := stream.Connect(stream.Settings{URL: url, Name: t.Name(), Security: security}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !want {
		if c.Ready(t.Context()) == nil {
			t.Errorf("%s: connected", what)
		}
		return
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(2 * time.Minute)
	for c.Ready(t.Context()) != nil {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s: not connected", what)
		}
	}
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestUserAndPassword(t *testing.T) {
	t.Parallel()
	addr := serveNATS(t, &server.Options{Username: "api", Password: "hunter2"})
	for password, want := range map[string]bool{"hunter2": true, "hunter3": false} {
		reaches(t, "with "+password, "nats://"+addr, stream.Security{User: "api", Password: password}, want)
	}
	reaches(t, "with those of the URL", "nats://api:hunter2@"+addr, stream.Security{}, true)
}

func TestNKey(t *testing.T) {
	t.Parallel()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	addr := serveNATS(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	reaches(t, "with the nkey", "nats://"+addr, stream.Security{NKeyFile: write(t, "user.nk", append(seed, '\n'))}, true)
	reaches(t, "without", "nats://"+addr, stream.Security{}, false)
}

func TestCreds(t *testing.T) {
	t.Parallel()
	operator, account, user := newPair(t, nkeys.CreateOperator), newPair(t, nkeys.CreateAccount), newPair(t, nkeys.CreateUser)
	accountClaims := jwt.NewAccountClaims(account.public)
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	accountJWT, err := accountClaims.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	userJWT, err := jwt.NewUserClaims(user.public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(account.public, accountJWT); err != nil {
		t.Fatal(err)
	}
	system := newPair(t, nkeys.CreateAccount)
	systemJWT, err := jwt.NewAccountClaims(system.public).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	if err := resolver.Store(system.public, systemJWT); err != nil {
		t.Fatal(err)
	}
	addr := serveNATS(t, &server.Options{TrustedKeys: []string{operator.public}, AccountResolver: resolver, SystemAccount: system.public})
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(userJWT, seed)
	if err != nil {
		t.Fatal(err)
	}
	reaches(t, "with the creds file", "nats://"+addr, stream.Security{CredsFile: write(t, "user.creds", creds)}, true)
	reaches(t, "without", "nats://"+addr, stream.Security{}, false)
}

type pair struct {
	nkeys.KeyPair

	public string
}

func newPair(t *testing.T, create func() (nkeys.KeyPair, error)) pair {
	t.Helper()
	p, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := p.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pair{p, public}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, stranger := newCertificate(t, nil), newCertificate(t, nil)
	serverCert, clientCert := newCertificate(t, ca), newCertificate(t, ca)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	encrypted := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{serverCert.pair(t)}}
	mutual := encrypted.Clone()
	mutual.ClientCAs, mutual.ClientAuth = pool, tls.RequireAndVerifyClientCert
	addr := serveNATS(t, &server.Options{TLSConfig: encrypted, TLSTimeout: 20})
	mutualAddr := serveNATS(t, &server.Options{TLSConfig: mutual, TLSVerify: true, TLSTimeout: 20})
	plain := serveNATS(t, &server.Options{})

	caFile, strangerFile := write(t, "ca.pem", ca.certPEM), write(t, "ca.pem", stranger.certPEM)
	certFile, keyFile := write(t, "cert.pem", clientCert.certPEM), write(t, "key.pem", clientCert.keyPEM)
	for name, tt := range map[string]struct {
		addr     string
		security stream.Security
		want     bool
	}{
		"the CA":                    {addr, stream.Security{CAFile: caFile}, true},
		"another CA":                {addr, stream.Security{CAFile: strangerFile}, false},
		"the system's CAs":          {addr, stream.Security{}, false},
		"a client certificate":      {mutualAddr, stream.Security{CAFile: caFile, CertFile: certFile, KeyFile: keyFile}, true},
		"no client certificate":     {mutualAddr, stream.Security{CAFile: caFile}, false},
		"a server without TLS":      {plain, stream.Security{CAFile: caFile}, false},
		"nothing wanted, none here": {plain, stream.Security{}, true},
	} {
		reaches(t, name, "nats://"+tt.addr, tt.security, tt.want)
	}
}

// certificate is a key with its certificate, signed by another or by itself.
type certificate struct {
	cert            *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

func (c *certificate) pair(t *testing.T) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(c.certPEM, c.keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func newCertificate(t *testing.T, by *certificate) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: t.Name()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	signer := &certificate{cert: template, key: key}
	if by != nil {
		signer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, key.Public(), signer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate{
		cert: cert, key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// Settings that can never work are refused at once, by an error without their
// secrets.
func TestSecurityThatCannotWork(t *testing.T) {
	t.Parallel()
	noSeed, absent := write(t, "user.nk", []byte("hunter2")), filepath.Join(t.TempDir(), "absent")
	for name, s := range map[string]stream.Settings{
		"no creds file":  {URL: "nats://127.0.0.1:1", Security: stream.Security{CredsFile: absent}},
		"no nkey file":   {URL: "nats://127.0.0.1:1", Security: stream.Security{NKeyFile: absent}},
		"no seed in it":  {URL: "nats://127.0.0.1:1", Security: stream.Security{NKeyFile: noSeed}},
		"no CA file":     {URL: "nats://127.0.0.1:1", Security: stream.Security{CAFile: absent}},
		"no CA in it":    {URL: "nats://127.0.0.1:1", Security: stream.Security{CAFile: noSeed}},
		"no certificate": {URL: "nats://127.0.0.1:1", Security: stream.Security{CertFile: noSeed, KeyFile: noSeed}},
		"no URL":         {URL: "nats://api:hunter2@[::1:4222"},
	} {
		c, err := stream.Connect(s, slog.New(slog.DiscardHandler))
		if err == nil {
			c.Close()
			t.Errorf("%s: connects", name)
		} else if strings.Contains(err.Error(), "hunter2") || fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
