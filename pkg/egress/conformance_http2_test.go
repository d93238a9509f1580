package egress_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Connection is a receiver's end of an HTTP/2 connection, frame by frame.
// It answers PING and SETTINGS by itself.
type http2Connection struct {
	*connection

	mu     sync.Mutex // guards what is written
	framer *http2.Framer
	coded  bytes.Buffer // the encoder's output
	coder  *hpack.Encoder
}

// stream is a request that has arrived by HTTP/2, and where its answer goes.
type stream struct {
	*http2Connection

	id   uint32
	path string
}

// http2Receiver is how a receiver speaks HTTP/2.
type http2Receiver struct {
	settings []http2.Setting
	silent   bool                   // no settings are sent
	greet    func(*http2Connection) // called after the settings were sent; may be nil

	answer func(*stream) // the request for badPath, which is ignored when nil; any other gets its own path
	early  bool          // answer when the request's headers are there
	done   func()        // called when an answer was given; may be nil
	gather func()        // called before a request for gatherPath is answered
}

// serve serves a connection until the other side ends it, or the answer does.
func (h http2Receiver) serve(c *connection) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	conn := &http2Connection{connection: c, framer: http2.NewFramer(c, c)}
	conn.coder = hpack.NewEncoder(&conn.coded)
	conn.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if !h.silent {
		conn.write(func(f *http2.Framer) error { return f.WriteSettings(h.settings...) })
	}
	if h.greet != nil {
		h.greet(conn)
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	defer c.Close()
	open := make(map[uint32]*arrival)
	for {
		frame, err := conn.framer.ReadFrame()
		if err != nil {
			return
		}
		if id, arrived := conn.take(frame, open, h.early); arrived != nil {
			c.note(*arrived)
			delete(open, id)
			x := &stream{conn, id, arrived.path}
			answering.Go(func() { h.reply(x) })
		}
	}
}

func (h http2Receiver) reply(x *stream) {
	if x.path != badPath {
		if x.path == gatherPath {
			h.gather()
		}
		x.own()
		return
	}
	if h.answer != nil {
		h.answer(x)
	}
	if h.done != nil {
		h.done()
	}
}

// take takes in a frame. It returns the request that is complete with it.
func (c *http2Connection) take(frame http2.Frame, open map[uint32]*arrival, early bool) (uint32, *arrival) {
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.write(func(w *http2.Framer) error { return w.WriteSettingsAck() })
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			data := f.Data
			c.write(func(w *http2.Framer) error { return w.WritePing(true, data) })
		}
	case *http2.MetaHeadersFrame:
		a := &arrival{protocol: "HTTP/2.0", path: f.PseudoValue("path")}
		for _, field := range f.Fields {
			a.head += field.Name + ": " + field.Value + "\n"
		}
		if f.StreamEnded() || early && a.path == badPath {
			return id, a
		}
		open[id] = a
	case *http2.DataFrame:
		if n := f.Length; n > 0 {
			c.write(func(w *http2.Framer) error { return w.WriteWindowUpdate(0, n) })
		}
		a := open[id]
		if a == nil {
			return id, nil // answered already
		}
		if a.body += string(f.Data()); f.StreamEnded() {
			return id, a
		}
	}
	return id, nil
}

// write writes frames. It reports whether the other side took them.
func (c *http2Connection) write(frames func(*http2.Framer) error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return frames(c.framer) == nil
}

// block returns a header block: names and values by turns.
func (c *http2Connection) block(fields ...string) []byte {
	c.coded.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.coder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.coded.Bytes())
}

// goAway says that no stream after last is processed.
func (c *http2Connection) goAway(last uint32, code http2.ErrCode) bool {
	return c.write(func(f *http2.Framer) error { return f.WriteGoAway(last, code, nil) })
}

// headers sends a header section, of any length.
func (x *stream) headers(end bool, fields ...string) bool {
	return x.write(func(f *http2.Framer) error {
		block := x.block(fields...)
		first := block[:min(len(block), 16<<10)]
		block = block[len(first):]
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: x.id, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0})
		for err == nil && len(block) > 0 {
			next := block[:min(len(block), 16<<10)]
			block = block[len(next):]
			err = f.WriteContinuation(x.id, len(block) == 0, next)
		}
		return err
	})
}

func (x *stream) data(end bool, text string) bool {
	return x.write(func(f *http2.Framer) error { return f.WriteData(x.id, end, []byte(text)) })
}

func (x *stream) reset(code http2.ErrCode) bool {
	return x.write(func(f *http2.Framer) error { return f.WriteRSTStream(x.id, code) })
}

// own answers with the request's own path.
func (x *stream) own() {
	x.headers(false, ":status", "200", "content-length", fmt.Sprint(len(x.path)))
	x.data(true, x.path)
}
