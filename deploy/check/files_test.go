package check_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/dialnote/webhooks/pkg/config"
)

// Helm tells of each link in the chart, each time.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// root returns the path of something in the repository.
func root(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings returns the variables that the services read.
func settings() map[string]bool {
	known := map[string]bool{}
	for f := range reflect.TypeFor[config.Settings]().Fields() {
		known[config.Prefix+f.Tag.Get("env")] = true
	}
	return known
}
