package admission

import (
	"testing"
	"time"
)

func TestWhatIsAcceptedIsForgottenWhenItIsCounted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	var a accepted
	for i := range 10 { // two in each second
		a.add(at(float64(i)/2), 1)
	}
	for _, c := range []struct {
		counted time.Time
		want    int64
	}{
		{time.Time{}, 10}, {at(0), 10}, {at(4), 10}, {at(4.1), 8}, {at(5.1), 6}, {at(8), 2}, {at(8.1), 0},
	} {
		if got := a.since(c.counted); got != c.want {
			t.Errorf("counted until %s: %d bytes may not be counted yet, want %d", c.counted.Sub(start), got, c.want)
		}
	}
	a.forget(at(5.1))
	if got := a.since(time.Time{}); got != 6 {
		t.Errorf("after what is counted was forgotten: %d bytes", got)
	}
}

// While nothing is counted, what is accepted takes no more memory and still counts.
func TestWhatIsAcceptedTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var a accepted
	for i := range 3 * most {
		a.add(start.Add(time.Duration(i)*time.Second), 1)
	}
	if got := a.since(time.Time{}); got != 3*most || len(a) != most {
		t.Errorf("%d bytes in %d seconds", got, len(a))
	}
}
