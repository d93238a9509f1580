package repeat

import (
	"sync"
	"time"
)

// warnEvery is how often contradictions are logged: a publisher may contradict
// itself in each of its events.
const warnEvery = time.Minute

// warning says when a line may be logged again. The zero warning allows one.
type warning struct {
	mu    sync.Mutex
	last  time.Time
	since int
}

// due reports whether a line may be logged at a time, and how many were not since
// the last one.
func (w *warning) due(now time.Time) (more int, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() && now.Sub(w.last) < warnEvery {
		w.since++
		return 0, false
	}
	more, w.last, w.since = w.since, now, 0
	return more, true
}
