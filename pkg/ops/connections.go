package ops

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// maxConnections bounds the connections of a server. A connection that is
// waiting costs about 20 KiB, so all of them about 80 MiB.
const maxConnections = 4096

// connections bounds a server's connections. When there are too many, it closes
// the one that has been waiting longest without a request. So a client that only
// holds connections open displaces idle connections, and none with a request.
type connections struct {
	mu      sync.Mutex
	most    int
	waiting *list.List // of net.Conn, the longest first
	all     map[net.Conn]*list.Element
}

func newConnections(most int) *connections {
	return &connections{most: most, waiting: list.New(), all: make(map[net.Conn]*list.Element)}
}

// changed is a server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if displaced := c.note(conn, state); displaced != nil {
		_ = displaced.Close() // its own goroutine reports that it is closed
	}
}

// note stores a change and returns a connection to be closed, nil for none.
func (c *connections) note(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place := c.all[conn]; place != nil {
		c.waiting.Remove(place)
	}
	switch state {
	case http.StateActive:
		c.all[conn] = nil
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	case http.StateNew, http.StateIdle:
		c.all[conn] = c.waiting.PushBack(conn)
	}
	if len(c.all) <= c.most {
		return nil
	}
	longest := c.waiting.Front() // the new one at the latest
	if longest == nil {
		return nil
	}
	displaced, _ := c.waiting.Remove(longest).(net.Conn)
	delete(c.all, displaced)
	return displaced
}
