package share_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dialnote/webhooks/pkg/share"
)

func TestRule(t *testing.T) {
	t.Parallel()
	half := share.Rule{Total: 64, Factor: 1}
	eighth := share.Rule{Total: 64, Factor: 1.0 / 8}
	for _, tt := range []struct {
		rule            share.Rule
		used, own, want int
		err             error
	}{
		{half, 0, 0, 1, nil},
		{half, 31, 31, 1, nil},                 // 32 of 64
		{half, 32, 32, 1, share.ErrOverShare},  // and no more alone
		{half, 42, 21, 1, nil},                 // 22 when 22 are free
		{half, 43, 22, 1, share.ErrOverShare},  // 21 are
		{half, 63, 0, 1, nil},                  // the last one goes to a holder of nothing
		{half, 63, 1, 1, share.ErrOverShare},   // and to no other
		{half, 64, 0, 1, share.ErrFull},        // nothing is left
		{half, 64, 64, 1, share.ErrOverShare},  // its own doing
		{half, 0, 0, 64, nil},                  // all of it, while it has nothing
		{half, 0, 0, 65, share.ErrFull},        // more than there is
		{half, 10, 0, 55, share.ErrFull},       // more than is left
		{half, 10, 0, 54, nil},                 //
		{half, 20, 20, 24, nil},                // 44 of 44
		{half, 20, 20, 25, share.ErrOverShare}, //
		{eighth, 0, 0, 1, nil},
		{eighth, 6, 6, 1, nil},                // 7 when 58 are free
		{eighth, 7, 7, 1, share.ErrOverShare}, // 57 are
		{eighth, 60, 0, 1, nil},
		{eighth, 60, 1, 1, share.ErrOverShare},
		{share.Rule{Total: 1, Factor: 1}, 0, 0, 1, nil},
		{share.Rule{Total: 1, Factor: 1}, 1, 0, 1, share.ErrFull},
		{share.Rule{Total: 1, Factor: 1}, 1, 1, 1, share.ErrOverShare},
		{share.Rule{Total: 0, Factor: 1}, 0, 0, 1, share.ErrFull},
	} {
		if err := tt.rule.Check(tt.used, tt.own, tt.want); !errors.Is(err, tt.err) {
			t.Errorf("%+v, %d used, %d own, %d wanted: %v, want %v", tt.rule, tt.used, tt.own, tt.want, err, tt.err)
		}
	}
}

// However many holders take all that they get, each has the same, and as much is
// free as one has.
func TestHoldersThatTakeAllTheyGetLeaveAShareForTheNext(t *testing.T) {
	t.Parallel()
	for holders := 1; holders <= 20; holders++ {
		l := share.NewLedger(share.Rule{Total: 1000, Factor: 1})
		has := make([]int, holders)
		for refused := 0; refused < holders; {
			refused = 0
			for h := range holders {
				if l.Take(fmt.Sprint(h), 1) != nil {
					refused++
					continue
				}
				has[h]++
			}
		}
		want := 1000 / (holders + 1)
		for h, n := range has {
			if n < want-1 || n > want+1 {
				t.Errorf("of %d holders number %d has %d, want %d", holders, h, n, want)
			}
		}
		if l.Free() < want-1 {
			t.Errorf("%d holders leave %d of 1000", holders, l.Free())
		}
		if err := l.Take("next", want-1); err != nil {
			t.Errorf("after %d holders: %v", holders, err)
		}
	}
}

func TestRoomIsAsOftenAsOneCanBeTaken(t *testing.T) {
	t.Parallel()
	for _, factor := range []float64{1.0 / 8, 0.5, 1, 3} {
		for total := range 30 {
			r := share.Rule{Total: total, Factor: factor}
			for used := range total + 1 {
				for own := range used + 1 {
					l := share.NewLedger(r)
					l.Force("others", used-own)
					if own > 0 {
						l.Force("mine", own)
					}
					want := 0
					for l.Take("mine", 1) == nil {
						want++
					}
					if got := r.Room(used, own); got != want {
						t.Fatalf("%+v, %d used, %d own: %d, want %d", r, used, own, got, want)
					}
				}
			}
		}
	}
}

// Whatever is taken and given back in whatever order, the sums are right.
func TestALedgerCountsRight(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		const total = 50
		l := share.NewLedger(share.Rule{Total: total, Factor: 1})
		var taken [][2]int // holder, n
		used := 0
		for range 300 {
			if len(taken) > 0 && random.IntN(3) == 0 {
				i := random.IntN(len(taken))
				l.Give(fmt.Sprint(taken[i][0]), taken[i][1])
				used -= taken[i][1]
				taken = append(taken[:i], taken[i+1:]...)
			} else if h, n := random.IntN(5), 1+random.IntN(9); l.Take(fmt.Sprint(h), n) == nil {
				taken, used = append(taken, [2]int{h, n}), used+n
			}
			if l.Used() != used || l.Free() != total-used || used > total {
				t.Fatalf("seed %d: used %d, free %d, want %d of %d", seed, l.Used(), l.Free(), used, total)
			}
		}
		for _, x := range taken {
			l.Give(fmt.Sprint(x[0]), x[1])
		}
		if l.Used() != 0 || l.Holders() != 0 {
			t.Fatalf("seed %d: %d used by %d holders at the end", seed, l.Used(), l.Holders())
		}
	}
}
