package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress/http1"
	"github.com/dialnote/webhooks/pkg/egress/http2"
)

// circumstances are what is known of a request that got no answer, beside its
// error.
type circumstances struct {
	host    string
	timeout time.Duration
	stream  *stream // that the request was sent on; nil when there was none
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
	case dialing && dial.stage == securing:
		return delivery.ReasonTLS, explainTLS(err, dial.stream, c.host)
	case brokenTLS(err):
		return delivery.ReasonTLS, explainTLS(err, c.stream, c.host)
	case c.stream == nil:
		return delivery.ReasonInternal, "The request could not be sent, for a reason on our side"
	case errors.Is(err, http2.ErrTooMuch):
		return delivery.ReasonProtocol, "Server sent data without end in place of an answer"
	case errors.Is(err, http1.ErrMalformed), errors.Is(err, http2.ErrMalformed):
		return delivery.ReasonProtocol, "Server's answer is not valid HTTP, or its headers are too long"
	case errors.Is(err, http2.ErrRefused):
		return delivery.ReasonProtocol, "Server refused the request on each HTTP/2 connection, without an answer"
	case errors.Is(err, http2.ErrNeedsHTTP1):
		return delivery.ReasonProtocol, "Server asked for HTTP/1.1, but goes on with HTTP/2"
	default:
		return delivery.ReasonReset, "Server closed the connection without a complete answer"
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
