package e2e_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// account is what a storm's report says.
type account struct {
	seed, rate uint64
	long       time.Duration
	disks      bool
	plan       []strike
	storm      *storm
	ledger     *ledger

	mu         sync.Mutex
	acceptedAt map[string]time.Time // events

	accepted, retries    int
	missing              int // deliveries, when the storm was over
	unlogged, duplicates int
	well, settled        time.Duration // after the storm
}

// write writes the report, also of a storm that failed.
func (f *account) write(t *testing.T) {
	t.Helper()
	text := f.text(!t.Failed())
	file := os.Getenv(stormReport)
	if file == "" {
		t.Logf("\n%s", text)
		return
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

func (f *account) text(passed bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	verdict := "nothing lost"
	if !passed {
		verdict = "FAILED: see the test's log"
	}
	line("# A storm of %s, seed %d: %s\n", f.long, f.seed, verdict)
	line("%s, %d dispatchers, %d config APIs, %d NATS servers with three copies of each stream, Postgres; %d events a second, half by the API, half by NATS. `make chaos CHAOS_SEED=%d CHAOS_SECONDS=%d` repeats the plan.\n",
		time.Now().UTC().Format(time.DateOnly), stormDispatchers, stormAPIs, stormNodes, f.rate, f.seed, int(f.long.Seconds()))
	line("| fault | times | in all |\n|---|---|---|")
	times := map[kind]time.Duration{}
	for _, s := range f.plan {
		times[s.kind] += s.lasts
	}
	for _, k := range slices.SortedFunc(maps.Keys(times), func(a, b kind) int { return cmp.Compare(a, b) }) {
		line("| %s | %d | %s |", k, f.storm.strikes[k], times[k].Round(time.Second))
	}
	if !f.disks {
		line("\nNo disk was filled: this machine lets the test mount none.")
	}
	line("\nClocks were not stepped: that would need a machine of its own.\n")
	delays := f.delays()
	line("| figure | |\n|---|---|")
	line("| events accepted | %d; publishing one was tried again %d times |", f.accepted, f.retries)
	line("| deliveries owed | %d |", len(f.ledger.debts()))
	line("| lost | %d |", f.ledger.missing())
	line("| arrived twice | %d, of at most %d that were in progress at a fault |", f.duplicates, f.unlogged+f.storm.allowed)
	line("| requests that the log does not know | %d |", f.unlogged)
	line("| from accepted to delivered | half within %s, 99 %% within %s, the last %s |", percent(delays, 50), percent(delays, 99), percent(delays, 100))
	line("| still to come when the storm was over | %d |", f.missing)
	line("| everything well again after | %s |", f.well.Round(100*time.Millisecond))
	line("| everything delivered after | %s |", f.settled.Round(100*time.Millisecond))
	line("| services that ended by themselves | %d |", len(f.storm.alone))
	line("| NATS servers that were restarted because they were unhealthy | %d |", f.storm.revived)
	return b.String()
}

// delays returns how long each delivery took from the acceptance of its event,
// in order.
func (f *account) delays() []time.Duration {
	var list []time.Duration
	for _, d := range f.ledger.debts() {
		f.mu.Lock()
		accepted := f.acceptedAt[d.eventID]
		f.mu.Unlock()
		if at, arrived := f.storm.arrivals.of(d.id); arrived {
			list = append(list, max(0, at.Sub(accepted)))
		}
	}
	slices.Sort(list)
	return list
}

// percent returns the value that so many in a hundred do not exceed.
func percent(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)].Round(time.Millisecond)
}
