package store_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/store"
)

func TestASlowAnswerIsNoSkew(t *testing.T) {
	t.Parallel()
	for s, want := range map[store.Skew]bool{
		{Ahead: time.Second}:                                 true,
		{Ahead: -time.Second}:                                true,
		{Ahead: time.Second - 1}:                             false,
		{Ahead: -time.Second + 1}:                            false,
		{Ahead: 3 * time.Second, Precision: 2 * time.Second}: true,
		{Ahead: 3 * time.Second, Precision: 2*time.Second + time.Millisecond}: false,
		{Ahead: -240 * time.Hour, Precision: 10 * time.Second}:                true,
		{}: false,
	} {
		if got := s.AtLeast(time.Second); got != want {
			t.Errorf("%+v: %t", s, got)
		}
	}
}
