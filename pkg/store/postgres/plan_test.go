package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/store/storetest"
)

// Hundreds of redelivered deliveries are looked up by the index of a full
// partition that is not analyzed yet.
func TestProgressIsReadByTheIndexOfAFreshPartition(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Schema(t))
	w := storetest.Webhook("acme")
	if err := s.Create(t.Context(), storetest.By(), w, 10); err != nil {
		t.Fatal(err)
	}
	const rows, asked = 20_000, 256
	attempts := make([]delivery.Attempt, 0, rows)
	for i := range rows {
		a := storetest.Succeeded(w, time.Now(), time.Millisecond)
		a.DeliveryID = fmt.Sprintf("dlv_%d", i)
		attempts = append(attempts, a)
	}
	if _, err := s.Record(t.Context(), delivery.DefaultPolicy(), attempts); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, asked)
	for i := range ids {
		ids[i] = fmt.Sprintf("dlv_%d", i*7)
	}
	var plan []string
	query := "EXPLAIN (ANALYZE) " + s.Dialect.Progress
	now := time.Now()
	if err := s.Reader.SelectContext(t.Context(), &plan, query, s.Dialect.List(ids), now.Add(-time.Minute), now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "\n")
	today := "attempts_" + time.Now().UTC().Format("20060102")
	if strings.Contains(text, "attempts_"+now.UTC().AddDate(0, 0, 2).Format("20060102")) {
		t.Errorf("it looks into the day after tomorrow:\n%s", text)
	}
	if !strings.Contains(text, today) || strings.Contains(text, "Seq Scan on "+today) || strings.Contains(text, "JIT:") {
		t.Errorf("the plan is\n%s", text)
	}
}
