package ops_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/ops"
)

func TestWhatCeasesToWorkIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		var wrong atomic.Pointer[error]
		health := ops.NewHealth()
		health.Add("database", func(context.Context) error {
			if err := wrong.Load(); err != nil {
				return *err
			}
			return nil
		})
		health.Add("nats", func(context.Context) error { return nil })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			health.Watch(ctx, slog.New(slog.NewTextHandler(&text, nil)))
			close(done)
		}()
		for _, now := range []error{nil, errors.New("no disk: make room"), errors.New("no disk still"), nil, nil} {
			if wrong.Store(nil); now != nil {
				wrong.Store(&now)
			}
			<-time.After(time.Minute)
		}
		stop()
		<-done
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="part does not work, not ready until it does" part=database error="no disk: make room"`) ||
			!strings.Contains(lines[1], `level=INFO msg="part works again" part=database`) {
			t.Errorf("%q", lines)
		}
	})
}
