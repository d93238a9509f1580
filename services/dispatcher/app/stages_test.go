package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// journal is what happened since it was looked at last.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) add(entry string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
}

// want fails the test unless exactly this happens, in any order, before
// everything waits.
func (j *journal) want(t *testing.T, entries ...string) {
	t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.Sort(j.entries)
	if !slices.Equal(j.entries, entries) {
		t.Errorf("got %q, want %q", j.entries, entries)
	}
	j.entries = nil
}

// part returns a part that has work until finish is closed.
func (j *journal) part(name string, finish <-chan struct{}, err error) part {
	return part{name, func(ctx context.Context) error {
		j.add("start " + name)
		<-ctx.Done()
		j.add("stop " + name)
		<-finish
		j.add("end " + name)
		return err
	}}
}

func TestStagesStopInReverseOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		lanes, dispatcher, recorder, outbox := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
		stages := []stage{
			{j.part("outbox", outbox, nil)},
			{j.part("recorder", recorder, nil)},
			{j.part("lanes", lanes, nil), j.part("dispatcher", dispatcher, nil)},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- runStages(ctx, stages...) }()
		j.want(t, "start dispatcher", "start lanes", "start outbox", "start recorder")
		cancel()
		j.want(t, "stop dispatcher", "stop lanes")
		close(lanes)
		j.want(t, "end lanes") // and the recorder stays, for the dispatcher
		close(dispatcher)
		j.want(t, "end dispatcher", "stop recorder")
		close(recorder)
		j.want(t, "end recorder", "stop outbox")
		close(outbox)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestEveryPartsErrorIsReturned(t *testing.T) {
	t.Parallel()
	var j journal
	finished := make(chan struct{})
	close(finished)
	recorder, member := errors.New("no database"), errors.New("no broker")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // parts that have hardly started are stopped too
	err := runStages(ctx, stage{j.part("membership", finished, member)}, stage{j.part("recorder", finished, recorder)})
	if !errors.Is(err, recorder) || !errors.Is(err, member) || !strings.Contains(err.Error(), "membership: no broker") {
		t.Errorf("got %v", err)
	}
}
