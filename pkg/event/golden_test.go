package event_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/dialnote/webhooks/pkg/event"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

const golden = "../../proto/golden"

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// goldenBodies returns the names, without .json, of the golden bodies.
func goldenBodies(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(golden, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if name != "signatures" && !strings.HasSuffix(name, ".published") {
			names = append(names, name)
		}
	}
	if len(names) < 5 {
		t.Fatalf("golden bodies: %v", names)
	}
	return names
}

func TestGoldenBodies(t *testing.T) {
	t.Parallel()
	for _, name := range goldenBodies(t) {
		want := read(t, filepath.Join(golden, name+".json"))
		published := want
		if path := filepath.Join(golden, name+".published.json"); exists(path) {
			published = read(t, path)
		}
		ev, err := event.ParseJSON(published)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := ev.Body(); !bytes.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types() {
		var message webhooksv1.Event
		if err := prototext.Unmarshal(read(t, filepath.Join(golden, string(kind)+".txtpb")), &message); err != nil {
			t.Fatal(err)
		}
		binary, err := proto.Marshal(&message)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := event.ParseProto(binary)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if got, want := ev.Body(), read(t, filepath.Join(golden, string(kind)+".json")); !bytes.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", kind, got, want)
		}
	}
}

func TestSamplesAreGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 15, 10, 30, 0, 999_999_999, time.UTC)
	for _, kind := range event.Types() {
		sample := event.Sample(kind, "your-org-id", "evt_01hm6a3kz0v8w2c4xq5y7n9rbt", now)
		if got, want := sample.Body(), read(t, filepath.Join(golden, string(kind)+".json")); !bytes.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", kind, got, want)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
