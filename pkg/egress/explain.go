package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
)

// circumstances are what is known of a request that got no answer, beside its
// error.
type circumstances struct {
	host      string
	timeout   time.Duration
	connected bool // a connection was there
	answered  bool // a first byte came
}

// explain returns the reason of a failure and the message for the customer. It
// judges by types and by how far the request came, never by an error's text.
func explain(err error, c circumstances) (delivery.Reason, string) {
	dial, dialing := errors.AsType[*dialError](err)
	switch {
	case ours(err):
		return delivery.ReasonInternal, "The request could not be sent, for a reason on our side"
	case dialing && dial.stage == resolving && !deadline(err):
		return delivery.ReasonDNS, explainLookup(err, c.host)
	case blocked(err):
		return delivery.ReasonBlockedAddress, "Address not allowed: " + c.host + " does not lead to a public address"
	case expired(err):
		return delivery.ReasonTimeout, "No answer within " + inWords(c.timeout)
	case dialing && dial.stage == connecting:
		return delivery.ReasonConnect, explainConnect(err, c.host)
	case dialing && dial.stage == securing, refusedByTLS(err):
		return delivery.ReasonTLS, explainTLS(err, c.host)
	case !c.connected:
		return delivery.ReasonInternal, "The request could not be sent, for a reason on our side"
	case !c.answered, brokenOff(err):
		return delivery.ReasonReset, "Server closed the connection without a complete answer"
	default:
		return delivery.ReasonProtocol, "Server's answer is not valid HTTP, or its headers are too long"
	}
}

// ours reports whether a failure is this machine's: it has run out of
// something, or cannot ask its name server or use its proxy. No endpoint may be
// blamed for that.
func ours(err error) bool {
	if _, is := errors.AsType[*unreachable](err); is {
		return true
	}
	if _, is := errors.AsType[*proxyError](err); is {
		return true
	}
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func blocked(err error) bool {
	_, is := errors.AsType[*blockedError](err)
	return is
}

// deadline reports whether the attempt's one deadline has passed.
func deadline(err error) bool {
	return errors.Is(err, errDeadline) || errors.Is(err, context.DeadlineExceeded)
}

// expired reports whether time ran out, the attempt's or the system's own.
func expired(err error) bool {
	if deadline(err) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// brokenOff reports whether the other side ended the connection.
func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// refusedByTLS reports whether the server sent a TLS alert after the handshake
// had ended for us, as it does when it wants a certificate of ours.
func refusedByTLS(err error) bool {
	op, is := errors.AsType[*net.OpError](err)
	return is && op.Op == "remote error"
}

func explainLookup(err error, host string) string {
	if dns, is := errors.AsType[*net.DNSError](err); is && dns.IsNotFound {
		return "The address could not be found: " + host
	}
	return "The address could not be looked up: " + host
}

func explainConnect(err error, host string) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The server refused the connection: " + host
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "The server could not be reached: " + host
	default:
		return "No connection could be made to " + host
	}
}

func explainTLS(err error, host string) string {
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
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return "The server does not speak HTTPS on this port"
	}
	return "No secure connection could be made: the server must accept TLS 1.2 or newer and ask for no certificate"
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

// inWords writes a deadline as people say it: "30 seconds", "1 second", "1.5s".
func inWords(d time.Duration) string {
	switch {
	case d == time.Second:
		return "1 second"
	case d%time.Second == 0:
		return fmt.Sprintf("%d seconds", d/time.Second)
	default:
		return d.String()
	}
}
