package process

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	text := "4242 (post gres) x) (y) S 17 4242 4242 0 -1 4194560 100 200 3 4 11 22 33 44 20 0 1 0 99 1000 200\n"
	got, err := parseStat(text)
	if err != nil || got != (stat{parent: 17, cpu: 1100 * time.Millisecond}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2 3", "1 (x) S y 1 1 0 -1 0 0 0 0 0 1 1 1 1 2", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 z 1 2"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	t.Parallel()
	got, err := parseBusy("cpu  100 1 10 9999 888 2 3 4 50 0\ncpu0 1 2 3\n")
	if err != nil || got != 1200*time.Millisecond {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestKibibytes(t *testing.T) {
	t.Parallel()
	status := "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\n"
	if got := kibibytes(status, "VmHWM:"); got != 2<<20 {
		t.Error(got)
	}
	if got := kibibytes(status, "VmSwap:"); got != 0 {
		t.Error(got)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	one, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := OfTree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if one.Resident <= 0 || one.Peak < one.Resident || tree.CPU < one.CPU {
		t.Errorf("one %+v, tree %+v", one, tree)
	}
	if _, err := Of(1 << 30); err == nil {
		t.Error("a process that is not there has usage")
	}
	if busy, err := Busy(); err != nil || busy < one.CPU {
		t.Errorf("the machine was busy for %s, this process for %s: %v", busy, one.CPU, err)
	}
}
