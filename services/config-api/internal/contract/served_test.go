package contract

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

// What is for our generator is not served.
func TestTheServedDocumentHasNothingForTheGenerator(t *testing.T) {
	t.Parallel()
	d := load(t)
	if text := string(d.JSON()); strings.Contains(text, `"x-go-`) || !strings.Contains(text, `"x-events"`) || !strings.Contains(text, `"EventCreate"`) {
		t.Error("the document has keys for the generator, or lacks others")
	}
}

// Each field that an event may have is in the document: those of the samples are all
// of the specification's, section 3.
func TestEveryFieldOfAnEventIsDescribed(t *testing.T) {
	t.Parallel()
	schemas := load(t).Root().Object("components").Object("schemas")
	for kind, name := range map[event.Type]string{
		event.CallCompleted: "CallCompletedData", event.RecordingCompleted: "RecordingCompletedData", event.NoteCreated: "NoteCreatedData",
	} {
		properties := schemas.Object(name).Object("properties")
		var data map[string]any
		if err := json.Unmarshal(event.Sample(kind, "acme", "evt_1", time.Now()).Data, &data); err != nil {
			t.Fatal(err)
		}
		for key := range data {
			if properties.Object(key).Text("description") == "" {
				t.Errorf("%s lacks %s", name, key)
			}
		}
		if have := len(properties.Keys()); have != len(data) {
			t.Errorf("%s has %d fields, the sample %d", name, have, len(data))
		}
	}
}
