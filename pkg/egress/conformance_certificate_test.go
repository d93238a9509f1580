package egress_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

// trusted is an authority that the tests' clients trust, and a certificate for
// 127.0.0.1 that it signed.
type trusted struct {
	pool        *x509.CertPool
	cert        *x509.Certificate
	key         *ecdsa.PrivateKey
	certificate tls.Certificate
}

var testAuthority = sync.OnceValue(newTrusted)

func newTrusted() trusted {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := trusted{pool: x509.NewCertPool(), key: key}
	a.cert = parsed(signed(template, template, key.Public(), key))
	a.pool.AddCert(a.cert)
	a.certificate = a.issue(newKey())
	return a
}

// issue returns a certificate for 127.0.0.1 with a key of any kind.
func (a trusted) issue(key crypto.Signer) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Test receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	return tls.Certificate{Certificate: [][]byte{signed(template, a.cert, key.Public(), a.key)}, PrivateKey: key}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the machine has no entropy
	}
	return key
}

func signed(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		panic(err) // the template is wrong
	}
	return der
}

func parsed(der []byte) *x509.Certificate {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err) // it was made a moment ago
	}
	return cert
}
