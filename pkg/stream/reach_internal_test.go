package stream

import (
	"errors"
	"testing"
)

// A connection is changed after three failures in a row, then after six, and not at
// all where there is no other server.
func TestWhenAServerIsLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var c cutOff
	var left []int
	for n := 1; n <= 30; n++ {
		if c.leave(broken, 3) {
			left = append(left, n)
		}
	}
	if len(left) != 3 || left[0] != 3 || left[1] != 9 || left[2] != 21 {
		t.Errorf("left after the failures %v, want 3, 9, 21", left)
	}
	c.leave(nil, 3)
	for n := range 3 {
		if c.leave(broken, 3) != (n == 2) {
			t.Error("a success does not begin the count again")
		}
	}
	var alone cutOff
	for range 30 {
		if alone.leave(broken, 1) {
			t.Fatal("the only server was left")
		}
	}
}
