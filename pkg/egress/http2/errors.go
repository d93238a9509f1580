package http2

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// Errors of RoundTrip.
var (
	// ErrRefused says that the server refused the request, by REFUSED_STREAM or by
	// GOAWAY, without answering it (RFC 9113, section 8.7).
	ErrRefused = errors.New("the server refused the request")

	// ErrNeedsHTTP1 says that the server wants this request over HTTP/1.1 (RFC 9113,
	// section 7, HTTP_1_1_REQUIRED).
	ErrNeedsHTTP1 = errors.New("the server requires HTTP/1.1")

	// ErrMalformed says that the server broke the protocol, or that its answer's
	// head exceeds its bound.
	ErrMalformed = errors.New("malformed answer")

	// ErrStreamEnded says that the server ended the stream of the request without a
	// whole answer (RST_STREAM), for another reason than those above. The connection
	// remains.
	ErrStreamEnded = errors.New("the server ended the stream")

	// ErrTooMuch says that the server sent more on the connection than the answers
	// to the requests on it may take: empty frames, PINGs, settings or header blocks
	// without end.
	ErrTooMuch = fmt.Errorf("%w: the server sends without end", ErrMalformed)
)

// Errors of a server that agreed on HTTP/2 and does not keep to it.
var (
	errForeign   = fmt.Errorf("%w: the server's first frame is not SETTINGS", ErrMalformed)
	errLongFrame = fmt.Errorf("%w: a frame is longer than %d bytes", ErrMalformed, maxFrame)
)

// explain wraps an error of x/net's with what it means.
func (c *Conn) explain(err error) error {
	meaning := meaning(err)
	if meaning == nil {
		meaning = c.meter.failure() // x/net does not tell it to a request that came later
	}
	if meaning == nil {
		meaning = c.meaningOfGoAway(err)
	}
	if meaning == nil || errors.Is(err, meaning) {
		return err
	}
	return fmt.Errorf("%w: %w", meaning, err)
}

// meaning returns which of this package's errors an error of x/net's means, nil
// for none of them.
func meaning(err error) error {
	if errors.Is(err, ErrMalformed) {
		return ErrMalformed // the meter's
	}
	if stream, is := errors.AsType[http2.StreamError](err); is {
		return meaningOfCode(stream.Code)
	}
	if _, is := errors.AsType[http2.ConnectionError](err); is || errors.Is(err, http2.ErrFrameTooLarge) {
		return ErrMalformed
	}
	return nil
}

// meaningOfGoAway returns what an error means on a connection on which the server
// has sent GOAWAY. x/net fails requests that the frame refuses at once, by errors of
// unexported types. It returns a GoAwayError for one that the server may have
// processed, and whose connection has ended without an answer.
func (c *Conn) meaningOfGoAway(err error) error {
	code, seen := c.meter.wentAway()
	_, processed := errors.AsType[http2.GoAwayError](err) //nolint:staticcheck // deprecated: see the package's comment
	switch {
	case !seen:
		return nil
	case code == http2.ErrCodeHTTP11Required:
		return ErrNeedsHTTP1
	case processed:
		return nil
	default:
		return ErrRefused
	}
}

// meaningOfCode returns what the end of a stream with an error code means. A code
// that stands for a broken rule means the same whichever side noticed it.
func meaningOfCode(code http2.ErrCode) error {
	switch code {
	case http2.ErrCodeRefusedStream:
		return ErrRefused
	case http2.ErrCodeHTTP11Required:
		return ErrNeedsHTTP1
	case http2.ErrCodeProtocol, http2.ErrCodeFlowControl, http2.ErrCodeFrameSize, http2.ErrCodeCompression:
		return ErrMalformed
	default:
		return ErrStreamEnded
	}
}
