package specimen_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/services/hooklab/bench/specimen"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types() {
		id := specimen.ID("r12", 34)
		text := specimen.Body(specimen.Organization(5), kind, id)
		e, err := event.ParseJSON(text)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if len(text) != specimen.BodySize || !bytes.Equal(e.Body(), text) || e.ID != id || e.OrganizationID != "org_0000005" {
			t.Errorf("%s: %d bytes, %s", kind, len(text), text)
		}
	}
}

// A publisher that gives its events such ids is the usual case.
func TestIDsSayWhenTheyWereMade(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Millisecond)
	for i := range 200 { // each run's name makes other digits
		if made, ok := event.IDTime(specimen.ID(fmt.Sprint("r", i), 34)); !ok || made.Before(before) || made.After(time.Now()) {
			t.Errorf("run %d: made at %s, %t", i, made, ok)
		}
	}
	if specimen.ID("r1", 0)[14:] == specimen.ID("r2", 0)[14:] {
		t.Error("two runs have the same ids")
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]int{
		specimen.ID("r1", 0): 0, specimen.ID("r_2", 9_999_999): 9_999_999,
		"": -1, "evt_1": -1, "evt_01m8p58v30aaaaaa000000000x": -1, "evt_01m8p58v30aaaaaa-000000001": -1, "evt_01m8p58v30aaaaaa00000000001": -1,
	} {
		got, ok := specimen.Index(id)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %t", id, got, ok)
		}
	}
}
