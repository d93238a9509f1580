package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// Whatever is asked for, entries come in the order of an index that holds only
// what is asked for; what no index knows is looked at entry by entry.
func TestPlansOfTheAuditLog(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	if err := s.Create(t.Context(), storetest.By(), storetest.Webhook("acme"), 10); err != nil {
		t.Fatal(err)
	}
	_, after, err := s.ListEntries(t.Context(), "acme", audit.Filter{}, store.Page{Limit: 1})
	if err != nil || after == "" {
		t.Fatalf("no cursor: %q, %v", after, err)
	}
	since, until := time.Now().Add(-time.Hour), time.Now()
	for _, tc := range []struct {
		filter audit.Filter
		want   string
	}{
		{audit.Filter{}, "INDEX audit_log_newest (organization_id=? AND id<?)"},
		{audit.Filter{Since: since, Until: until}, "INDEX audit_log_newest (organization_id=? AND id>? AND id<?)"},
		{audit.Filter{ActorKind: audit.Portal}, "INDEX audit_log_newest (organization_id=? AND id<?)"},
		{audit.Filter{Action: audit.WebhookDeleted}, "INDEX audit_log_action (organization_id=? AND action=? AND id<?)"},
		{audit.Filter{Actor: "anna", ActorKind: audit.Portal}, "INDEX audit_log_actor (organization_id=? AND actor_name=? AND id<?)"},
		{audit.Filter{WebhookID: "wh_1"}, "INDEX audit_log_webhook (organization_id=? AND webhook_id=? AND id<?)"},
		{audit.Filter{TargetID: "key_1"}, "INDEX audit_log_target (organization_id=? AND target_id=? AND id<?)"},
	} {
		for _, cursor := range []string{"", after} {
			query, args, err := s.EntriesQuery("acme", tc.filter, cursor)
			if err != nil {
				t.Fatal(err)
			}
			var plan []struct {
				ID, Parent, NotUsed int
				Detail              string
			}
			if err := s.Reader.SelectContext(t.Context(), &plan, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprint(plan); !strings.Contains(text, tc.want) || strings.Contains(text, "TEMP B-TREE") {
				t.Errorf("%+v after %q: %s", tc.filter, cursor, text)
			}
		}
	}
}
