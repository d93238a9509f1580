package config_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
)

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	s, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{10 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour}
	if len(s.RetrySchedule) != len(want) {
		t.Fatalf("schedule is %v, want %v", s.RetrySchedule, want)
	}
	for i := range want {
		if s.RetrySchedule[i] != want[i] {
			t.Errorf("schedule is %v, want %v", s.RetrySchedule, want)
		}
	}
	if s.DeliveryTimeout != 30*time.Second || s.AutoDisableAfter != 3 || s.Retention != 168*time.Hour {
		t.Errorf("defaults are %+v", s)
	}
	if _, always := s.SyncInterval(); !always {
		t.Error("the embedded broker does not sync before it acknowledges by default")
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{
		"DIALNOTE_DELIVERY_TIMEOUT": "soon",
		"DIALNOTE_MAX_IN_FLIGHT":    "many",
		"DIALNOTE_LOG_LEVEL":        "loud",
	}, "DATABASE_URL", "NATS_URL")
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error is %v, want a *config.Error", err)
	}
	for _, name := range []string{"DELIVERY_TIMEOUT", "MAX_IN_FLIGHT", "LOG_LEVEL", "DATABASE_URL", "NATS_URL"} {
		if !strings.Contains(bad.Error(), "DIALNOTE_"+name) {
			t.Errorf("%s is not named in:\n%v", name, bad)
		}
	}
}

func TestLoadRefusesValuesOutOfRange(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"DELIVERY_TIMEOUT":      "0s",
		"RETRY_SCHEDULE":        "10s,0s",
		"AUTO_DISABLE_AFTER":    "0",
		"MAX_IN_FLIGHT":         "0",
		"WEBHOOK_MAX_IN_FLIGHT": "513",
		"MAX_WEBHOOKS":          "0",
		"RETENTION":             "59m",
		"STREAM_REPLICAS":       "2",
		"NATS_SYNC":             "never",
		"LOG_FORMAT":            "xml",
	} {
		_, err := config.Load(map[string]string{"DIALNOTE_" + name: value})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error is %v, want one that names it", name, value, err)
		}
	}
}

func TestPrintedSettingsHoldNoSecret(t *testing.T) {
	t.Parallel()
	s, err := config.Load(map[string]string{
		"DIALNOTE_DATABASE_URL":    "postgres://app:hunter2@db/webhooks?password=hunter2",
		"DIALNOTE_NATS_URL":        "nats://a:hunter2@one:4222,nats://a:hunter2@two:4222",
		"DIALNOTE_API_TOKENS":      "crm:hunter2",
		"DIALNOTE_ENCRYPTION_KEYS": "k1:hunter2",
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", slog.Any("settings", s))
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret is printed: %s", out.String())
	}
	if !strings.Contains(out.String(), "one:4222") || !strings.Contains(out.String(), "db") {
		t.Errorf("the hosts are not printed: %s", out.String())
	}
}
