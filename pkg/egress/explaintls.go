package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Alerts (RFC 8446, section 6) that a server sends in the place of a handshake.
const (
	alertHandshakeFailure = 40
	alertProtocolVersion  = 70
	alertUnrecognizedName = 112
	alertNoProtocol       = 120
)

// Types of TLS records and of a handshake's messages (RFC 8446, sections 5.1, 4).
const (
	recordAlert      = 21
	recordHandshake  = 22
	messageServerHi  = 2
	firstGoodVersion = 0x0303 // TLS 1.2, as the server's first message names versions
)

// brokenTLS reports whether an alert of either side's TLS ended a connection that
// had been secured, as it does when the server wants a certificate of ours.
func brokenTLS(err error) bool {
	op, is := errors.AsType[*net.OpError](err)
	return is && (op.Op == "remote error" || op.Op == "local error")
}

// explainTLS returns what is wrong with a server's TLS, and where it is not plain
// what its owner can do. s is the connection.
func explainTLS(err error, s *stream, host string) string {
	if words := explainCertificate(err, host); words != "" {
		return words
	}
	if s != nil && s.asked.Load() {
		return "The server asks for a client certificate, and webhooks have none: it must not ask for one at this URL"
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return "The server does not speak HTTPS on this port"
	}
	if words := explainHandshake(s, host); words != "" {
		return words
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return "The server ended the connection before it was secured: it must accept TLS 1.2 or newer"
	}
	return "The server's certificate or TLS is not valid: " + detail(err)
}

func explainCertificate(err error, host string) string {
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
		return explainExpiry(invalid.Cert, time.Now())
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "The certificate is for another name than " + host
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "The certificate is not from a known authority, or the server does not send its intermediate certificates"
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "The certificate is not valid"
	}
	return ""
}

// explainHandshake explains what the server's first record says: an alert, or a
// version of TLS. It returns "" for anything else.
func explainHandshake(s *stream, host string) string {
	if s == nil || len(s.records) == 0 {
		return ""
	}
	server := s.records[len(s.records)-1]
	first := server.first[:server.seen]
	switch {
	case len(first) >= 7 && first[0] == recordAlert:
		return explainAlert(first[6], host)
	case len(first) == 11 && first[0] == recordHandshake && first[5] == messageServerHi && int(first[9])<<8|int(first[10]) < firstGoodVersion:
		return "The server speaks no newer version than TLS 1.1: it must accept TLS 1.2 or 1.3"
	default:
		return ""
	}
}

func explainAlert(alert byte, host string) string {
	switch alert {
	case alertHandshakeFailure:
		return "The server offers no encryption that is safe enough: with TLS 1.2 it must accept key exchange by ECDHE (RSA key exchange is not enough), or it must accept TLS 1.3"
	case alertProtocolVersion:
		return "The server speaks no newer version than TLS 1.1: it must accept TLS 1.2 or 1.3"
	case alertUnrecognizedName:
		return "The server knows no site with the name " + host
	case alertNoProtocol:
		return "The server speaks neither HTTP/1.1 nor HTTP/2 over TLS on this port"
	default:
		return fmt.Sprintf("The server refused to secure the connection (TLS alert %d)", alert)
	}
}

// detail returns the text of a TLS error as one short line.
func detail(err error) string {
	if op, is := errors.AsType[*net.OpError](err); is {
		err = op.Err
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.TrimPrefix(err.Error(), "tls: "))
	const most = 150
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// explainExpiry tells the two sides of a certificate's validity apart; x509
// calls both expired.
func explainExpiry(cert *x509.Certificate, now time.Time) string {
	const day = "2 January 2006"
	switch {
	case cert == nil:
		return "The certificate has expired"
	case now.Before(cert.NotBefore):
		return "The certificate is not valid before " + cert.NotBefore.UTC().Format(day)
	default:
		return "The certificate expired on " + cert.NotAfter.UTC().Format(day)
	}
}
