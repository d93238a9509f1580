package ops_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/ops"
)

func TestHealthAsMetrics(t *testing.T) {
	t.Parallel()
	registry, health := prometheus.NewRegistry(), ops.NewHealth()
	if err := ops.Observe(registry, health, "dispatcher"); err != nil {
		t.Fatal(err)
	}
	health.Add("database", func(context.Context) error { return nil })
	health.Add("nats", func(context.Context) error { return errors.New("away") })
	health.Started()
	want := `# HELP dialnote_build_info Always 1; the labels say which build this is.
# TYPE dialnote_build_info gauge
dialnote_build_info{commit="` + cli.Commit() + `",go="` + runtime.Version() + `",service="dispatcher",version="` + cli.Version() + `"} 1
# HELP dialnote_part_up 1 when a part that the service needs answers.
# TYPE dialnote_part_up gauge
dialnote_part_up{part="database"} 1
dialnote_part_up{part="nats"} 0
# HELP dialnote_ready 1 when the service is ready, as /readyz says.
# TYPE dialnote_ready gauge
dialnote_ready 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	health.Add("nats", func(context.Context) error { return nil })
	if err := testutil.GatherAndCompare(registry, strings.NewReader("# HELP dialnote_ready 1 when the service is ready, as /readyz says.\n# TYPE dialnote_ready gauge\ndialnote_ready 1\n"), "dialnote_ready"); err != nil {
		t.Error(err)
	}
	if err := ops.Observe(registry, health, "dispatcher"); err == nil {
		t.Error("the metrics were registered twice")
	}
}
