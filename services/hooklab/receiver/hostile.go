package receiver

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Drip answers 200 and then one byte of the body at every interval, without
// end.
func Drip(interval time.Duration) Behaviour {
	return always(Answer{Status: http.StatusOK, Body: func(ctx context.Context, w io.Writer) error {
		for pause(ctx, interval) {
			if _, err := w.Write([]byte{'.'}); err != nil {
				return fmt.Errorf("drip: %w", err)
			}
		}
		return ctx.Err()
	}})
}

// Big answers 200 with a body of size bytes.
func Big(size int64) Behaviour {
	return always(Answer{Status: http.StatusOK, Body: func(_ context.Context, w io.Writer) error {
		return fill(w, size)
	}})
}

// Bomb answers 200 with a gzip body of a few kilobytes a megabyte, that unpacks
// to size bytes whether or not the client asked for gzip.
func Bomb(size int64) Behaviour {
	header := http.Header{"Content-Encoding": {"gzip"}, "Content-Type": {"text/plain"}}
	return always(Answer{Status: http.StatusOK, Header: header, Body: func(_ context.Context, w io.Writer) error {
		zip := gzip.NewWriter(w)
		if err := fill(zip, size); err != nil {
			return err
		}
		if err := zip.Close(); err != nil {
			return fmt.Errorf("end of the bomb: %w", err)
		}
		return nil
	}})
}

// fill writes size times the same letter.
func fill(w io.Writer, size int64) error {
	block := make([]byte, 32<<10)
	for i := range block {
		block[i] = 'x'
	}
	for size > 0 {
		n, err := w.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return fmt.Errorf("fill the body: %w", err)
		}
		size -= int64(n)
	}
	return nil
}

// Close reads the request and closes the connection in good order, without an
// answer.
func Close() Behaviour { return always(Answer{}) }

// Reset reads the request and breaks the connection off with a TCP reset.
func Reset() Behaviour {
	return always(Answer{Takeover: func(_ context.Context, conn net.Conn) {
		if tcp := tcpOf(conn); tcp != nil {
			_ = tcp.SetLinger(0) // unsent data is dropped and closing sends RST
			_ = tcp.Close()
		}
	}})
}

// Truncate promises a body of 1,000 bytes with a 200, sends ten and closes.
func Truncate() Behaviour {
	return say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
}

// Garbage answers with something that is not HTTP.
func Garbage() Behaviour {
	return say("220 mail.example.com ESMTP ready\r\n")
}

// say takes the connection over and writes text.
func say(text string) Behaviour {
	return always(Answer{Takeover: func(_ context.Context, conn net.Conn) {
		_, _ = io.WriteString(conn, text)
	}})
}

// EndlessHeaders begins a 200 and never stops sending header lines.
func EndlessHeaders() Behaviour {
	return always(Answer{Takeover: func(ctx context.Context, conn net.Conn) {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			_, err = fmt.Fprintf(conn, "X-Filler-%d: %0100d\r\n", n, n)
		}
	}})
}

// EndlessInformational sends 103 Early Hints again and again, and no answer.
func EndlessInformational() Behaviour {
	return always(Answer{Takeover: func(ctx context.Context, conn net.Conn) {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
		}
	}})
}

// tcpOf returns the TCP connection below conn, or nil when there is none.
func tcpOf(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case *tls.Conn:
			conn = c.NetConn()
		case *wireConn:
			conn = c.Conn
		default:
			return nil
		}
	}
}
