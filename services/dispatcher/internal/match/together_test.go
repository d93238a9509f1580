package match

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

var errRow = errors.New("a row cannot be read")

// many has one webhook for each organization, but for one whose row cannot be read.
type many struct {
	broken string
	away   bool
	mu     sync.Mutex
	alone  int
	sizes  []int
}

func (m *many) webhook(organizationID string) []webhook.Webhook {
	return []webhook.Webhook{{ID: "wh_" + organizationID, OrganizationID: organizationID}}
}

func (m *many) All(_ context.Context, organizationID string) ([]webhook.Webhook, error) {
	time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's own clock
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alone++
	if organizationID == m.broken {
		return nil, errRow
	}
	return m.webhook(organizationID), nil
}

func (m *many) AllOf(_ context.Context, organizationIDs []string) (map[string][]webhook.Webhook, error) {
	time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's own clock
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sizes = append(m.sizes, len(organizationIDs))
	if m.away {
		return nil, fault.New(fault.Unavailable, "away", "Away.")
	}
	found := make(map[string][]webhook.Webhook)
	for _, id := range organizationIDs {
		if id == m.broken {
			return nil, errRow
		}
		found[id] = m.webhook(id)
	}
	return found, nil
}

// Organizations that are asked for at once are read by few statements. One that cannot
// be read fails alone; when the database is away, none is tried alone.
func TestOrganizationsAreReadTogether(t *testing.T) {
	t.Parallel()
	const organizations = 50
	for _, c := range []struct {
		name   string
		source *many
		alone  int // at most
		fails  func(id string) bool
	}{
		{"all can be read", &many{}, readAtOnce, func(string) bool { return false }},
		{"one cannot be read", &many{broken: "org_7"}, organizations, func(id string) bool { return id == "org_7" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				together := Together(c.source)
				var asking sync.WaitGroup
				for i := range organizations {
					asking.Go(func() {
						id := fmt.Sprintf("org_%d", i)
						all, err := together.All(t.Context(), id)
						if c.fails(id) != errors.Is(err, errRow) || err == nil && (len(all) != 1 || all[0].ID != "wh_"+id) {
							t.Errorf("%s: %v, %v", id, all, err)
						}
					})
				}
				asking.Wait()
				if c.source.alone > c.alone || len(c.source.sizes) > 2 {
					t.Errorf("%d were read alone, the others by %v", c.source.alone, c.source.sizes)
				}
			})
		})
	}
}

func TestOrganizationsAreNotTriedAloneWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	m := &many{away: true}
	tg, _ := Together(m).(*together)
	if _, err := tg.all(t.Context(), []string{"a", "b"}); !fault.Is(err, fault.Unavailable) || m.alone > 0 {
		t.Errorf("%v, %d tried alone", err, m.alone)
	}
}
