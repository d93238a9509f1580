package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/nats-io/nats.go"
)

// Security says how a connection authenticates itself and the server. The CA file,
// the creds file and the client's certificate are read at each connection, so that
// they can be replaced while the program runs.
type Security struct {
	User, Password string // together, or neither
	CredsFile      string // a user's JWT and its seed
	NKeyFile       string // the seed of a user's nkey

	// CAFile names a PEM file with the authority of the server's certificate;
	// CertFile and KeyFile hold the client's own certificate. Any of them makes TLS
	// a condition.
	CAFile, CertFile, KeyFile string
}

// options returns the client's options. It returns an error for a file that does
// not exist or cannot be read as what it should be: retrying would not help.
func (s Security) options() ([]nats.Option, error) {
	var opts []nats.Option
	switch {
	case s.User != "":
		opts = append(opts, nats.UserInfo(s.User, s.Password))
	case s.CredsFile != "":
		if err := readable(s.CredsFile); err != nil {
			return nil, err
		}
		opts = append(opts, nats.UserCredentials(s.CredsFile))
	case s.NKeyFile != "":
		nkey, err := nats.NkeyOptionFromSeed(s.NKeyFile)
		if err != nil {
			// The library's error may quote the file.
			return nil, fmt.Errorf("nkey file %s cannot be read or holds no seed", s.NKeyFile)
		}
		opts = append(opts, nkey)
	}
	secure, err := s.tls()
	if err != nil {
		return nil, err
	}
	if secure != nil {
		opts = append(opts, nats.Secure(secure))
	}
	if s.CAFile != "" {
		opts = append(opts, func(o *nats.Options) error {
			o.RootCAsCB = s.authorities
			return nil
		})
	}
	return opts, nil
}

// tls returns the configuration, nil when no setting asks for TLS: then the URL
// and the server decide.
func (s Security) tls() (*tls.Config, error) {
	if s.CAFile == "" && s.CertFile == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		if _, err := s.authorities(); err != nil {
			return nil, err
		}
	}
	if s.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile); err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("read client certificate: %w", err)
			}
			return &cert, nil
		}
	}
	return cfg, nil
}

// authorities reads the CA file.
func (s Security) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate", s.CAFile)
	}
	return pool, nil
}

func readable(file string) error {
	f, err := os.Open(file) //nolint:gosec // the operator's setting
	if err != nil {
		return fmt.Errorf("open credentials: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close credentials: %w", err)
	}
	return nil
}

// withoutURL returns an error of the client without the URL, which may hold a
// password.
func withoutURL(err error) error {
	if _, is := errors.AsType[*url.Error](err); is {
		return errors.New("its URL cannot be read")
	}
	return err
}
