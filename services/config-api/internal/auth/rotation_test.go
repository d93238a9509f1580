package auth

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	oldToken   = "old-token-0123456789"
	newToken   = "new-token-0123456789"
	fixedToken = "fixed-token-0123456789"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestServiceTokensRotateWithoutARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		write(t, path, "# platform\n\nbilling:"+oldToken+"\n")
		r, err := NewRotation("backend:"+fixedToken, path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		// good tells which of the tokens are good.
		good := func() string {
			var names []string
			for _, token := range []string{fixedToken, oldToken, newToken, "unknown-token-0123456789", ""} {
				name, ok := r.Find(token)
				if ok != (name != "") {
					t.Errorf("%q is %q, %t", token, name, ok)
				}
				names = append(names, name)
			}
			return strings.Join(names, ",")
		}
		step := func(text, want string) {
			t.Helper()
			if text == "" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, path, text)
			}
			time.Sleep(rereadEvery) //nolint:forbidigo // the bubble's own clock: the pause is what is promised
			synctest.Wait()
			if got := good(); got != want {
				t.Errorf("after %q the good ones are %s, want %s", text, got, want)
			}
		}
		if got := good(); got != "backend,billing,,," {
			t.Errorf("at first %s", got)
		}
		step("billing:"+oldToken+"\nbilling:"+newToken, "backend,billing,billing,,")
		step("crm:"+newToken+"\r\n", "backend,,crm,,")
		step("crm:short", "backend,,crm,,") // broken: nothing changes
		step("# none", "backend,,crm,,")
		step("", "backend,,crm,,") // no file
		step("billing:"+oldToken+",crm:"+newToken, "backend,billing,crm,,")
		cancel()
		<-ended
		if text := log.String(); strings.Contains(text, "0123456789") || strings.Count(text, "level=ERROR") != 3 {
			t.Errorf("the log:\n%s", text)
		}
	})
}

func TestTroubleWithTheFileIsLoggedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		write(t, path, "billing:"+oldToken)
		r, err := NewRotation("", path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, "billing")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.Run(ctx)
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
	})
}

func TestSettingsOfServiceTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), "billing:"+oldToken)
	write(t, filepath.Join(dir, "bad"), "billing:"+oldToken+"\ncrm:short")
	write(t, filepath.Join(dir, "empty"), "\n# nothing yet\n")
	for name, tc := range map[string]struct {
		setting, file string
		good          bool
	}{
		"both":              {"a:" + fixedToken, "good", true},
		"setting":           {"a:" + fixedToken, "", true},
		"file":              {"", "good", true},
		"none":              {"", "", false},
		"bad file":          {"a:" + fixedToken, "bad", false},
		"empty file":        {"a:" + fixedToken, "empty", false},
		"no file":           {"a:" + fixedToken, "missing", false},
		"bad setting":       {"a", "good", false},
		"like a customer's": {"a:dnk_" + fixedToken, "", false},
	} {
		path := tc.file
		if path != "" {
			path = filepath.Join(dir, path)
		}
		_, err := NewRotation(tc.setting, path, slog.New(slog.DiscardHandler))
		if (err == nil) != tc.good || err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
