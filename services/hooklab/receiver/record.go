package receiver

import "sync"

// otherPaths counts together the paths past maxPaths, so that a client that
// invents paths cannot fill the memory.
const (
	maxPaths   = 100_000
	otherPaths = "(other)"
)

// record is what came in: the last requests whole, the rest counted.
type record struct {
	keep int

	mu         sync.Mutex
	ring       []Request // the last requests; oldest at next once it is full
	next       uint64
	number     uint64
	total      Counts
	paths      map[string]*pathRecord
	deliveries *idSet
	events     *idSet

	changed chan struct{} // closed, and replaced, at the next change
	awaited bool          // someone waits for changed
}

// pathRecord is one path's counts.
type pathRecord struct {
	Counts
	begun uint64
}

func newRecord(keep int) *record {
	r := &record{keep: keep, changed: make(chan struct{})}
	r.reset()
	return r
}

// reset forgets everything but what is still in flight.
func (r *record) reset() {
	old := r.paths
	r.ring, r.next = nil, 0
	r.paths = make(map[string]*pathRecord)
	r.deliveries, r.events = newIDSet(), newIDSet()
	r.total = Counts{InFlight: r.total.InFlight, MaxInFlight: r.total.InFlight}
	for path, p := range old {
		if p.InFlight > 0 {
			r.paths[path] = &pathRecord{Counts: Counts{InFlight: p.InFlight, MaxInFlight: p.InFlight}}
		}
	}
}

// clear is reset, under the lock and telling who waits.
func (r *record) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reset()
	r.announce()
}

// path returns the counts of a path, made when new.
func (r *record) path(path string) *pathRecord {
	if p, ok := r.paths[path]; ok {
		return p
	}
	if len(r.paths) >= maxPaths {
		path = otherPaths
		if p, ok := r.paths[path]; ok {
			return p
		}
	}
	p := new(pathRecord)
	r.paths[path] = p
	return p
}

// begin notes that a request has arrived and returns how many came to its path
// before.
func (r *record) begin(path string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.path(path)
	p.enter()
	r.total.enter()
	p.begun++
	return p.begun - 1
}

// end notes that a request's answer has ended. broken says that its body never
// came.
func (r *record) end(path string, broken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.path(path)
	p.InFlight--
	r.total.InFlight--
	if broken {
		p.Broken++
		r.total.Broken++
	}
	r.announce()
}

// add records a request and returns it with its number and attempt.
func (r *record) add(req Request) Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	req.Number = r.number
	accepted := req.Status >= 200 && req.Status < 300
	if req.DeliveryID != "" {
		req.Attempt = int(r.deliveries.add(req.DeliveryID, accepted).Requests)
	}
	if req.EventID != "" {
		r.events.add(req.EventID, accepted)
	}
	r.path(req.Path).count(&req)
	r.total.count(&req)
	r.push(req)
	r.announce()
	return req
}

// push puts a request into the ring in place of the oldest.
func (r *record) push(req Request) {
	if len(r.ring) < r.keep {
		r.ring = append(r.ring, req)
		return
	}
	if r.keep > 0 {
		r.ring[r.next] = req
		r.next = (r.next + 1) % uint64(len(r.ring))
	}
}

// since returns the kept requests after a number, oldest first.
func (r *record) since(number uint64) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Kept numbers have no gaps, so the first wanted one is found by counting.
	oldest := r.number - uint64(len(r.ring)) + 1
	var newer []Request
	for i := max(number+1, oldest) - oldest; i < uint64(len(r.ring)); i++ {
		newer = append(newer, r.ring[(r.next+i)%uint64(len(r.ring))])
	}
	return newer
}

// announce wakes the waiters after a change. It costs nothing when there are none.
func (r *record) announce() {
	if r.awaited {
		close(r.changed)
		r.changed, r.awaited = make(chan struct{}), false
	}
}

// nextChange returns a channel that is closed at the next change. Ask for it
// before looking, so that no change is missed.
func (r *record) nextChange() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaited = true
	return r.changed
}

func (r *record) counts(path string) Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.paths[path]; ok {
		return p.clone()
	}
	return Counts{}
}

func (r *record) totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := Totals{
		Counts:     r.total.clone(),
		Deliveries: r.deliveries.summary(),
		Events:     r.events.summary(),
		Paths:      make(map[string]Counts, len(r.paths)),
	}
	for path, p := range r.paths {
		t.Paths[path] = p.clone()
	}
	return t
}

// deliverySet and eventSet choose a set under the lock: clear replaces them.
func (r *record) deliverySet() *idSet { return r.deliveries }

func (r *record) eventSet() *idSet { return r.events }

func (r *record) seen(set func() *idSet, id string) Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return set().seen[keyOf(id)]
}

// begun returns how many requests to a path have begun.
func (r *record) begun(path string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.path(path).begun
}

func (r *record) all() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total.clone()
}
