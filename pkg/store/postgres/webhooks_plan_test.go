package postgres_test

import (
	"strings"
	"testing"

	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// The dispatchers ask for an organization's webhooks by a statement that is
// prepared once: its plan is made without knowing whose.
func TestAnOrganizationIsReadByItsIndex(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	c, err := s.Reader.Connx(t.Context()) // a statement is one connection's
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, statement := range []string{
		`SET statement_timeout = 0`, // on a busy machine filling takes longer than a service waits
		`INSERT INTO webhooks SELECT (jsonb_populate_record(NULL::webhooks, to_jsonb(w) || jsonb_build_object(
			'id', 'wh_' || lpad(n::text, 26, '0'), 'organization_id', 'org' || n / 10))).*
			FROM webhooks w, generate_series(1, 20000) n`,
		`ANALYZE webhooks`,
		`SET plan_cache_mode = force_generic_plan`,
		`PREPARE every(text) AS SELECT * FROM webhooks WHERE organization_id = $1 ORDER BY id`,
	} {
		if _, err := c.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var plan []string
	if err := c.SelectContext(t.Context(), &plan, `EXPLAIN EXECUTE every('org77')`); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "\n")
	if !strings.Contains(text, "Index Scan Backward using webhooks_newest") || strings.Contains(text, "Sort") {
		t.Errorf("the plan is\n%s", text)
	}
}
