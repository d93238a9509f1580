package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: USER_HZ, which is 100 on every
// Linux that Go runs on. The kernel counts in nanoseconds and rounds down.
const tick = 10 * time.Millisecond

// Usage is what a process, or several, have used.
type Usage struct {
	CPU      time.Duration // user and system time, of ended and reaped children too
	Resident int64         // bytes in memory now
	Peak     int64         // most bytes in memory since the start, or since ForgetPeak
}

// Plus returns the sum of both.
func (u Usage) Plus(v Usage) Usage {
	return Usage{CPU: u.CPU + v.CPU, Resident: u.Resident + v.Resident, Peak: u.Peak + v.Peak}
}

// Of returns what a process has used, without the children that still run.
func Of(pid int) (Usage, error) {
	text, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	s, err := parseStat(string(text))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	return Usage{CPU: s.cpu, Resident: kibibytes(string(status), "VmRSS:"), Peak: kibibytes(string(status), "VmHWM:")}, nil
}

// OfTree returns what a process and all its descendants have used: what a
// descendant used that has ended is in its parent's account. Memory that they
// share is counted once for each.
func OfTree(root int) (Usage, error) {
	children, err := family()
	if err != nil {
		return Usage{}, err
	}
	var total Usage
	for todo := []int{root}; len(todo) > 0; {
		pid := todo[0]
		todo = append(todo[1:], children[pid]...)
		u, err := Of(pid)
		if err != nil && pid != root {
			continue // it ended just now: its parent has its account
		}
		if err != nil {
			return Usage{}, err
		}
		total = total.Plus(u)
	}
	return total, nil
}

// ForgetPeak resets a process's peak memory to what it uses now.
func ForgetPeak(pid int) error {
	if err := os.WriteFile(proc(pid, "clear_refs"), []byte("5"), 0); err != nil {
		return fmt.Errorf("forget peak memory: %w", err)
	}
	return nil
}

// Busy returns how much processor time the machine has spent since it was
// started on anything but idling, and on other guests of its host.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the machine's usage: %w", err)
	}
	return parseBusy(string(text))
}

// family returns the children of every process.
func family() (map[int][]int, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := make(map[int][]int)
	for _, dir := range dirs {
		pid, err := strconv.Atoi(dir.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(proc(pid, "stat"))
		if errors.Is(err, fs.ErrNotExist) || err != nil {
			continue // it has ended
		}
		if s, err := parseStat(string(text)); err == nil {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	return children, nil
}

func proc(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// stat is what is of interest in /proc/PID/stat.
type stat struct {
	parent int
	cpu    time.Duration
}

// parseStat reads /proc/PID/stat (proc(5)). The second field is the program's
// name in parentheses and may itself hold spaces and parentheses.
func parseStat(text string) (stat, error) {
	_, rest, found := cutLast(text, ")")
	fields := strings.Fields(rest)
	if !found || len(fields) < 15 {
		return stat{}, fmt.Errorf("read /proc stat: %q", text)
	}
	// fields[0] is the third of the file.
	var s stat
	var err error
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return stat{}, fmt.Errorf("read /proc stat: %w", err)
	}
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("read /proc stat: %w", err)
		}
		s.cpu += time.Duration(ticks) * tick
	}
	return s, nil
}

// parseBusy reads the first line of /proc/stat: cpu, then user nice system idle
// iowait irq softirq steal, then two that user and nice hold already.
func parseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("read /proc/stat: %q", line)
	}
	var busy time.Duration
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		const idle, waiting = 3, 4
		if i != idle && i != waiting {
			busy += time.Duration(ticks) * tick
		}
	}
	return busy, nil
}

// kibibytes returns a line's value of /proc/PID/status in bytes, 0 without it.
func kibibytes(status, name string) int64 {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, name); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
