package receiver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Authority is a certificate authority that exists only in memory. Clients that
// are given its PEM trust the certificates it makes.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	hosts       []string
}

// NewAuthority returns an authority for certificates that are good for the
// given host names and addresses, localhost and the loopback addresses when
// there are none.
func NewAuthority(hosts ...string) (*Authority, error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "hooklab test authority"},
		NotBefore:             now.Add(-90 * 24 * time.Hour),
		NotAfter:              now.Add(90 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	made, err := sign(template, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make the authority: %w", err)
	}
	return &Authority{certificate: made.Leaf, key: made.PrivateKey.(crypto.Signer), hosts: hosts}, nil
}

// PEM returns the authority's certificate, for a file of trusted roots.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// CertificateKind says what is right or wrong with a certificate.
type CertificateKind string

// The kinds of certificates.
const (
	GoodCertificate       CertificateKind = "good"
	ExpiredCertificate    CertificateKind = "expired"     // ended a day ago
	WrongNameCertificate  CertificateKind = "wrong-name"  // for wrong.example.com only
	SelfSignedCertificate CertificateKind = "self-signed" // right name, no authority
)

// Certificate returns a new certificate of a kind. It returns an error when the
// kind is not known.
func (a *Authority) Certificate(kind CertificateKind) (tls.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "hooklab " + string(kind)},
		NotBefore:    now.Add(-30 * 24 * time.Hour),
		NotAfter:     now.Add(30 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	setHosts(template, a.hosts)
	parent, key := a.certificate, a.key
	switch kind {
	case GoodCertificate:
	case ExpiredCertificate:
		template.NotAfter = now.Add(-24 * time.Hour)
	case WrongNameCertificate:
		setHosts(template, []string{"wrong.example.com"})
	case SelfSignedCertificate:
		parent, key = nil, nil
	default:
		return tls.Certificate{}, fmt.Errorf("certificate kind %q is not known", kind)
	}
	made, err := sign(template, parent, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the %s certificate: %w", kind, err)
	}
	return made, nil
}

func setHosts(template *x509.Certificate, hosts []string) {
	template.DNSNames, template.IPAddresses = nil, nil
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
}

// sign makes a key and a certificate for it, signed by the parent, or by itself
// when there is none.
func sign(template, parent *x509.Certificate, parentKey crypto.Signer) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sign: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read back: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
