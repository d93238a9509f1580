package egress_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// tlsFails is recorded when no secure connection could be made, or it broke.
func tlsFails(message string) recorded {
	return recorded{reason: delivery.ReasonTLS, message: message}
}

// The message of an attempt says what does not work in a receiver's TLS, and what its
// owner must change.
func TestTLSFailures(t *testing.T) {
	t.Parallel()
	changed := func(change func(*tls.Config)) func(*connection) {
		cfg := receiverTLS("http/1.1")
		change(cfg)
		return func(c *connection) {
			secured := tls.Server(c.raw, cfg)
			if secured.Handshake() != nil { // the alert was sent; closing now might overtake it
				_ = c.raw.CloseWrite()
				_, _ = io.Copy(io.Discard, c.raw)
				return
			}
			c.Conn = secured
			http1{steps: []step{own(badPath)}}.serve(c)
		}
	}
	says := func(text string, then ...step) func(*connection) {
		return func(c *connection) {
			_, _ = c.raw.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(c.raw, text)
			for _, s := range then {
				_ = s(c)
			}
		}
	}
	for name, tt := range map[string]struct {
		serve func(*connection)
		want  recorded
	}{
		"TLS 1.1 and older": {changed(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), tlsFails("TLS 1.2")},
		"RSA key exchange only": {changed(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
			c.Certificates = []tls.Certificate{testAuthority().issue(rsaKey())}
		}), tlsFails("ECDHE")},
		"a negative serial number":              {changed(func(c *tls.Config) { c.Certificates = []tls.Certificate{negativeSerial()} }), tlsFails("negative serial number")},
		"a client certificate, TLS 1.2":         {changed(func(c *tls.Config) { c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert }), tlsFails("client certificate")},
		"a client certificate, TLS 1.3":         {changed(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), tlsFails("client certificate")},
		"a client certificate, if there is one": {changed(func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }), answered(200, badPath)},
		"another protocol":                      {changed(func(c *tls.Config) { c.NextProtos = []string{"smtp"} }), tlsFails("HTTP/1.1")},
		"no protocol named":                     {changed(func(c *tls.Config) { c.NextProtos = nil }), answered(200, badPath)},
		"HTTP without TLS":                      {says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", silence), tlsFails("does not speak HTTPS")},
		"HTTP without TLS, and the end":         {says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", cutOff, silence), tlsFails("does not speak HTTPS")},
		"another service":                       {says("220 mail.example.com ESMTP\r\n", silence), tlsFails("does not speak HTTPS")},
		"the end":                               {says("", cutOff, silence), tlsFails("ended the connection before it was secured")},
		"a reset":                               {says("", reset), tlsFails("ended the connection before it was secured")},
		"the end within the first record":       {says("\x16\x03\x03\x00\x7a\x02\x00", cutOff, silence), tlsFails("ended the connection before it was secured")},
		"an alert":                              {says("\x15\x03\x03\x00\x02\x02\x50", silence), tlsFails("alert 80")},
		"an alert that names the name":          {says("\x15\x03\x03\x00\x02\x02\x70", silence), tlsFails("no site with the name 127.0.0.1")},
	} {
		for _, w := range secureWays {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				s := newSetting(t, w, patience, nil, tt.serve)
				for i := range 2 {
					tt.want.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
					if n := s.connections(); n > i+1 || n == 0 {
						t.Errorf("%d connections for %d requests", n, i+1)
					}
				}
			})
		}
	}
}

// A receiver that says nothing in the place of a handshake is waited for until the
// deadline.
func TestTLSStalls(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\x16\x03\x03\x00\x7a\x02\x00"} {
		s := newSetting(t, secureWays[0], 300*time.Millisecond, nil, func(c *connection) {
			_, _ = io.WriteString(c.raw, text)
			_, _ = io.Copy(io.Discard, c.raw)
		})
		timedOut.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
	}
}

// With TLS 1.2 a server may renegotiate, as those do that ask for a certificate
// for some paths only. A client may agree once.
func TestRenegotiation(t *testing.T) {
	t.Parallel()
	renegotiate := func(c *connection) error { return c.Conn.(*tls12).renegotiate() }
	demand := func(c *connection) error {
		secured := c.Conn.(*tls12)
		secured.wantsCertificate = true
		if err := secured.renegotiate(); err != nil {
			return err
		}
		if err := secured.alert(alertHandshakeFailure); err != nil {
			return err
		}
		return silence(c)
	}
	alert := func(c *connection) error {
		if err := c.Conn.(*tls12).alert(alertAccessDenied); err != nil {
			return err
		}
		return silence(c)
	}
	for name, tt := range map[string]struct {
		steps      []step
		want       recorded
		copiesKept int
	}{
		"none":                             {[]step{own(badPath)}, answered(200, badPath), 1},
		"once":                             {[]step{renegotiate, own(badPath)}, answered(200, badPath), 1},
		"after an interim answer":          {[]step{say(hint), renegotiate, own(badPath)}, answered(200, badPath), 1},
		"within the body":                  {[]step{say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n/b"), renegotiate, say("ad")}, answered(200, badPath), 1},
		"for a certificate":                {[]step{demand}, tlsFails("client certificate"), 2},
		"an alert":                         {[]step{alert}, tlsFails("access denied"), 2},
		"an alert after an interim answer": {[]step{say(hint), alert}, tlsFails("access denied"), 1},
		"twice":                            {[]step{renegotiate, renegotiate, own(badPath)}, tlsFails("TLS"), 2},
	} {
		for _, w := range secureWays {
			t.Run(name+" "+w.String(), func(t *testing.T) {
				t.Parallel()
				for _, kept := range []bool{false, true} {
					s := newSetting(t, w, patience, nil, func(c *connection) {
						secured := &tls12{records: records{Conn: c.raw}}
						if secured.handshake() == nil {
							c.Conn = secured
							http1{steps: tt.steps}.serve(c)
						}
					})
					copies := 1
					if kept {
						s.ask("acme")
						copies = tt.copiesKept
					}
					tt.want.check(t, "the request", s.client.Send(t.Context(), s.request(badPath, "acme")))
					if n := len(s.of(badPath)); n != copies {
						t.Errorf("the request arrived %d times, want %d", n, copies)
					}
					s.ask("acme")
					s.ask("other")
				}
			})
		}
	}
}

func rsaKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the machine has no entropy
	}
	return key
}

// negativeSerial returns a certificate with a serial number that RFC 5280, section
// 4.1.2.2, forbids. Some firms' own authorities use such numbers. crypto/x509 makes
// no such certificate, so the number is changed in one that it made; the signature,
// which is wrong then, is looked at later than the number.
func negativeSerial() tls.Certificate {
	cert := testAuthority().certificate
	const versionAndSerial = "\xa0\x03\x02\x01\x02\x02\x01"
	der := bytes.Replace(cert.Certificate[0], []byte(versionAndSerial+"\x02"), []byte(versionAndSerial+"\xfe"), 1)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: cert.PrivateKey}
}
