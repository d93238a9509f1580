// Package machine says what a benchmark ran on.
package machine

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what figures depend on and a reader must know.
type Machine struct {
	CPU      string  `json:"cpu"` // model
	Cores    int     `json:"cores"`
	Memory   int64   `json:"memory"` // bytes
	Kernel   string  `json:"kernel"`
	Go       string  `json:"go"`
	NATS     string  `json:"nats"`
	Postgres string  `json:"postgres"`
	Load     float64 `json:"load"` // processes that wanted to run in the minute before
}

// Describe returns what can be read off the machine: all but NATS and Postgres.
func Describe() Machine {
	return Machine{
		CPU:    model(read("/proc/cpuinfo")),
		Cores:  runtime.NumCPU(),
		Memory: memory(read("/proc/meminfo")),
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Go:     runtime.Version(),
		Load:   load(read("/proc/loadavg")),
	}
}

// Commit returns the commit of the working tree that this is run in, with a
// mark when it was changed since, or "unknown".
func Commit() string {
	head, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := git("status", "--porcelain", "--untracked-files=no"); err != nil || changes != "" {
		head += " with changes"
	}
	return head
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output() //nolint:gosec,noctx // our own arguments; it takes no time
	return string(bytes.TrimSpace(out)), err
}

func read(file string) string {
	text, _ := os.ReadFile(file) //nolint:gosec // files of /proc; without one, nothing is known
	return string(text)
}

func model(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memory(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if value, found := strings.CutPrefix(line, "MemTotal:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

func load(loadavg string) float64 {
	first, _, _ := strings.Cut(loadavg, " ")
	value, _ := strconv.ParseFloat(first, 64)
	return value
}
