package match_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/dispatcher/internal/match"
)

// uneven is a database whose organizations have between 0 and 40 webhooks.
type uneven struct{}

func (uneven) All(_ context.Context, organizationID string) ([]webhook.Webhook, error) {
	return specimen(organizationID, len(organizationID)), nil
}

// Whatever is looked up and dropped, the cache stays within its bound and says
// what it holds.
func TestTheCacheKeepsToItsBound(t *testing.T) {
	t.Parallel()
	const bound = 256 << 10
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		m, err := match.New(uneven{}, &lease{}, bound)
		if err != nil {
			t.Fatal(err)
		}
		var most int64
		for step := range 2000 {
			id := fmt.Sprintf("%0*d", random.IntN(40), random.IntN(200))
			switch random.IntN(20) {
			case 0:
				m.Drop(id)
			case 1:
				if random.IntN(50) == 0 {
					m.DropAll()
				}
			case 2, 3, 4:
				_, err = m.Find(t.Context(), id, specimen(id, 1)[0].ID)
			default:
				_, err = m.Match(t.Context(), id, event.CallCompleted)
			}
			if err != nil {
				t.Fatal(err)
			}
			if step%50 > 0 {
				continue
			}
			m.Settle()
			webhooks, bytes := m.Held()
			if m.Size() != webhooks || m.Bytes() != bytes || m.Bytes() > bound {
				t.Fatalf("seed %d, step %d: %d webhooks of %d bytes are said, %d of %d are held, of at most %d",
					seed, step, m.Size(), m.Bytes(), webhooks, bytes, bound)
			}
			most = max(most, bytes)
		}
		if most < bound*3/4 {
			t.Errorf("seed %d: at most %d bytes were held: the bound was not tried", seed, most)
		}
		m.DropAll()
		if m.Size() != 0 || m.Bytes() != 0 {
			t.Errorf("seed %d: after all was dropped %d webhooks of %d bytes are left", seed, m.Size(), m.Bytes())
		}
	}
}

// versions is a database in which each organization's webhooks have a version
// that only rises.
type versions [64]atomic.Int64

func (v *versions) All(_ context.Context, organizationID string) ([]webhook.Webhook, error) {
	var n int
	if _, err := fmt.Sscan(organizationID, &n); err != nil {
		return nil, err
	}
	now := v[n].Load()
	list := specimen(organizationID, 3)
	for i := range list {
		list[i].Version = now
	}
	return list, nil
}

// Lookups and drops, of one and of all, in a cache so small that organizations go
// out of both of its forms all the time: who asks after a drop is given
// nothing older than it.
func TestNothingOldIsSeenInEitherForm(t *testing.T) {
	t.Parallel()
	v := &versions{}
	m, err := match.New(v, &lease{}, 16<<10)
	if err != nil {
		t.Fatal(err)
	}
	var dropped versions // for each organization, the version of its last drop
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 2))
			for step := range 3000 {
				n := random.IntN(len(v))
				switch id := fmt.Sprint(n); {
				case worker > 0:
					atLeast := dropped[n].Load()
					found, err := m.Match(t.Context(), id, event.CallCompleted)
					if err != nil || len(found) != 2 || found[0].Webhook.Version < atLeast {
						t.Errorf("after the drop of version %d: %+v, %v", atLeast, found, err)
						return
					}
				case step%200 == 0:
					var now versions
					for i := range v {
						now[i].Store(v[i].Add(1))
					}
					m.DropAll()
					for i := range v {
						dropped[i].Store(now[i].Load())
					}
				default:
					now := v[n].Add(1)
					m.Drop(id)
					dropped[n].Store(now)
				}
			}
		})
	}
	all.Wait()
}

// A read that ends while everything is dropped began before the drop. Neither an
// organization whose drop is counted by then is kept, nor one whose drop is not.
func TestNothingReadBeforeADropOfAllIsKept(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		m, s, _ := newMatcher(t)
		id := "acme"
		for i := 0; m.InFirstHalf(id) != first; i++ {
			id = fmt.Sprintf("acme%d", i)
		}
		s.set(id, hook("wh_1", webhook.SendCallLogs))
		release := s.holdUp()
		ended := make(chan error, 1)
		go func() {
			_, err := m.Match(t.Context(), id, event.CallCompleted)
			ended <- err
		}()
		<-s.started
		finish := m.DropAllHalfway(t)
		release()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		finish()
		if n, _ := m.Held(); n != 0 {
			t.Errorf("counted before the read ended: %t: %d webhooks are kept", first, n)
		}
	}
}

func TestAnIdleOrganizationLeavesTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, s, _ := newMatcher(t)
		defer m.Stop()
		calls(t, m)
		<-time.After(9 * time.Minute)
		calls(t, m)
		<-time.After(9 * time.Minute) // since the last use
		calls(t, m)
		wantReads(t, s, 1)
		<-time.After(11 * time.Minute)
		calls(t, m)
		wantReads(t, s, 2)
	})
}
