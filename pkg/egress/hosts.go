package egress

import "sync"

// hosts is a set of at most maxHosts hosts. It is safe for concurrent use.
type hosts struct {
	mu  sync.RWMutex
	set map[string]struct{}
}

// maxHosts bounds a set: its hosts are customers' words.
const maxHosts = 10_000

// add adds a host. A set that is full forgets all others first.
func (h *hosts) add(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil || len(h.set) >= maxHosts {
		h.set = make(map[string]struct{})
	}
	h.set[host] = struct{}{}
}

func (h *hosts) has(host string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, is := h.set[host]
	return is
}
