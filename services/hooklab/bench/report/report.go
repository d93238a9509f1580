// Package report holds what a benchmark found, and writes it down.
package report

import (
	"slices"
	"time"

	"github.com/dialnote/webhooks/services/hooklab/bench/machine"
	"github.com/dialnote/webhooks/services/hooklab/bench/stat"
)

// Document is the outcome of a benchmark.
type Document struct {
	Machine machine.Machine `json:"machine"`
	Commit  string          `json:"commit"`
	Began   time.Time       `json:"began"`
	Took    Seconds         `json:"tookSeconds"`
	Seed    uint64          `json:"seed"`
	Runs    int             `json:"runs"`
	Scale   float64         `json:"scale"` // of the sizes; 1 is what the goals are for
	Cases   []Case          `json:"cases"`
}

// Seconds is a duration that JSON shows in seconds.
type Seconds float64

// SecondsOf returns d in seconds, to the tenth.
func SecondsOf(d time.Duration) Seconds { return Seconds(d.Round(100 * time.Millisecond).Seconds()) }

// Case is one part of a benchmark.
type Case struct {
	Name  string  `json:"name"`
	About string  `json:"about"`
	Took  Seconds `json:"tookSeconds"`
	Error string  `json:"error,omitempty"` // why it ended early
	Rows  []Row   `json:"rows"`
}

// Row is one variant of a case.
type Row struct {
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings,omitempty"` // that differ from the defaults
	Measures []Measure         `json:"measures"`
}

// Measure is one measured quantity.
type Measure struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	Goal *Goal  `json:"goal,omitempty"`
	stat.Figure
}

// Goal is what a median should reach.
type Goal struct {
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
}

// Met reports whether a value reaches the goal. A bound of 0 is none.
func (g Goal) Met(value float64) bool {
	return (g.Least == 0 || value >= g.Least) && (g.Most == 0 || value <= g.Most)
}

// Row returns the row of a case, and false when there is none.
func (d Document) Row(name, row string) (Row, bool) {
	for _, c := range d.Cases {
		if c.Name != name {
			continue
		}
		if at := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Name == row }); at >= 0 {
			return c.Rows[at], true
		}
	}
	return Row{}, false
}

// Measure returns the measure of a name, and false when there is none.
func (r Row) Measure(name string) (Measure, bool) {
	if at := slices.IndexFunc(r.Measures, func(m Measure) bool { return m.Name == name }); at >= 0 {
		return r.Measures[at], true
	}
	return Measure{}, false
}

// Samples collects the values of a row, run by run.
type Samples struct{ row Row }

// NewSamples returns an empty collection.
func NewSamples(name string, settings map[string]string) *Samples {
	return &Samples{row: Row{Name: name, Settings: settings}}
}

// Add notes one run's value of a quantity. The first gives the unit.
func (s *Samples) Add(name, unit string, value float64) {
	at := s.index(name)
	if at < 0 {
		at = len(s.row.Measures)
		s.row.Measures = append(s.row.Measures, Measure{Name: name, Unit: unit})
	}
	s.row.Measures[at].Runs = append(s.row.Measures[at].Runs, value)
}

// AddLatency notes one run's latencies, in milliseconds.
func (s *Samples) AddLatency(l stat.Latency) {
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{P50, l.P50}, {P90, l.P90}, {P99, l.P99}, {Max, l.Max}} {
		s.Add(p.name, "ms", Milliseconds(p.d))
	}
}

// Aim sets what a quantity should reach. It does nothing for one that was not
// measured.
func (s *Samples) Aim(name string, g Goal) {
	if at := s.index(name); at >= 0 {
		s.row.Measures[at].Goal = &g
	}
}

// Row returns what was collected.
func (s *Samples) Row() Row {
	row := s.row
	row.Measures = slices.Clone(row.Measures)
	for i, m := range row.Measures {
		row.Measures[i].Figure = stat.Of(m.Runs...)
	}
	return row
}

func (s *Samples) index(name string) int {
	return slices.IndexFunc(s.row.Measures, func(m Measure) bool { return m.Name == name })
}

// Names of measures that more than one place speaks of.
const (
	Rate     = "rate"             // deliveries/s, to the last arrival
	Ratio    = "of the bare loop" // Rate over that of the bare loop
	BareRate = "bare loop"
	CPURatio = "dispatcher CPU of the bare client's"
	AllCPU   = "CPU, all together"
	P50      = "p50"
	P90      = "p90"
	P99      = "p99"
	Max      = "max"
	Others   = "others on this machine" // what programs that are not ours took of it
)

// CPU returns the name of the measure of a part's processor time for each
// delivery.
func CPU(part string) string { return "CPU, " + part }

// Peak returns the name of the measure of a part's peak memory.
func Peak(part string) string { return "peak memory, " + part }

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Microseconds returns d in microseconds.
func Microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// Mebibytes returns bytes in MiB.
func Mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
