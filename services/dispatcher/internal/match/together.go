package match

import (
	"context"

	"github.com/dialnote/webhooks/pkg/batch"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/webhook"
)

const (
	// readTogether is of how many organizations one statement reads the webhooks, and
	// readAtOnce how many statements are under way.
	readTogether = 100
	readAtOnce   = 2
)

// ManySource is a Source that also reads the webhooks of many organizations with one
// statement. An organization without a webhook is not in the map.
type ManySource interface {
	Source
	AllOf(ctx context.Context, organizationIDs []string) (map[string][]webhook.Webhook, error)
}

// Together returns a Source that reads together what is asked for at the same time:
// the organizations of an outage by the thousand, or those of the first events after
// a start.
func Together(s ManySource) Source {
	t := &together{source: s}
	t.asker = batch.New(readTogether, readAtOnce, t.all)
	return t
}

type together struct {
	source ManySource
	asker  *batch.Asker[string, webhooks]
}

// webhooks are those of one organization, or why they cannot be read.
type webhooks struct {
	all []webhook.Webhook
	err error
}

// All implements Source.
func (t *together) All(ctx context.Context, organizationID string) ([]webhook.Webhook, error) {
	found, err := t.asker.Ask(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	return found.all, found.err
}

// all reads one organization by itself, and each of many by itself when they cannot be
// read together: one with a row that cannot be read is no fault of the others.
func (t *together) all(ctx context.Context, organizationIDs []string) ([]webhooks, error) {
	found := make([]webhooks, len(organizationIDs))
	if len(organizationIDs) > 1 {
		many, err := t.source.AllOf(ctx, organizationIDs)
		if fault.Is(err, fault.Unavailable) {
			return nil, err
		}
		if err == nil {
			for i, id := range organizationIDs {
				found[i].all = many[id]
			}
			return found, nil
		}
	}
	for i, id := range organizationIDs {
		found[i].all, found[i].err = t.source.All(ctx, id)
	}
	return found, nil
}
