package e2e_test

import (
	"context"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"           //nolint:depguard // publishes what no publisher of ours would
	"github.com/nats-io/nats.go/jetstream" //nolint:depguard // as above

	"github.com/dialnote/webhooks/pkg/event"
)

// command runs one of the services' programs with a command, as an operator does
// in the place of the service, and fails the test unless it ends with a code and
// says what the patterns match.
func (s *system) command(t *testing.T, code int, of *process, program, command string, patterns ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), strings.Fields(command)...)
	cmd.Dir = t.TempDir()
	settings := maps.Clone(s.settingsOf(program))
	settings["OPS_ADDR"] = strings.TrimPrefix(operators(t, of), "http://")
	cmd.Env = []string{"USER=olga"}
	for name, value := range settings {
		cmd.Env = append(cmd.Env, "DIALNOTE_"+name+"="+value)
	}
	out, _ := cmd.CombinedOutput() // its code says more
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s %s ended with %d, want %d:\n%s", program, command, got, code, out)
	}
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).Match(out) {
			t.Errorf("%s %s does not say %s:\n%s", program, command, pattern, out)
		}
	}
	return string(out)
}

// The operator's commands beside running services, with the permissions that we
// ship for each of them.
func TestOperatorsCommands(t *testing.T) {
	t.Parallel()
	s := underPermissions(t)
	c := s.client(t)
	for program, of := range map[string]*process{"config-api": s.api, "dispatcher": s.dispatchers[0]} {
		s.command(t, 0, of, program, "healthcheck", `^$`)
		s.command(t, 0, of, program, "doctor -egress "+s.receiverURL, "OK    nats      this user may do what the service does", "OK    egress", " 0 failed")
	}
	s.command(t, 0, s.api, "config-api", "migrate", "nothing to do")

	// What was published before a webhook was there is delivered to it.
	publish := s.publishAs(t)
	early := c.create(t, s.receiverURL, "/early", event.CallCompleted)
	publish("evt_1")
	publish("evt_2")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := s.receiver.WaitCount(ctx, "/early", 2); err != nil { // then their webhooks have been looked up
		t.Fatal(err)
	}
	c.remove(t, early.ID)
	late := c.create(t, s.receiverURL, "/late", event.CallCompleted)
	s.command(t, 0, s.api, "config-api", "replay -since 1h -org "+organization+" -wait", late.ID+`  rec_\w+: 2 events to examine`, `done: 2 examined, 2 queued\.`)
	if err := s.receiver.WaitCount(ctx, "/late", 2); err != nil {
		t.Fatal(err)
	}

	// A message that this version does not understand is listed, shown, and stays.
	nc, err := nats.Connect(s.broker.url(), nats.UserInfo("operator", operatorPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "dialnote.events."+organization+".call.completed", []byte("no JSON")); err != nil {
		t.Fatal(err)
	}
	var list string
	await(t, "the rejected message", func() error {
		if list = s.command(t, 0, s.api, "config-api", "rejected list"); list == "" {
			return errors.New("it is not listed")
		}
		return nil
	})
	sequence, _, _ := strings.Cut(list, " ")
	s.command(t, 0, s.api, "config-api", "rejected show "+sequence, "still not understood", "\n\nno JSON\n")
	s.command(t, 1, s.api, "config-api", "rejected requeue "+sequence, "1 of 1 were not requeued")

	// Nothing is sent any more once a webhook is disabled.
	s.command(t, 0, s.api, "config-api", "webhooks disable -org "+organization, late.ID+"  disabled; it sent call.completed")
	if status := c.hook(t, late.ID).Status; status != "disabled" {
		t.Errorf("it is %s", status)
	}
	s.command(t, 0, s.api, "config-api", "replay -since "+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "passed over: This webhook is disabled")
	for _, p := range append(s.dispatchers, s.api) {
		if troubles := p.log.troubles(); len(troubles) > 0 {
			t.Errorf("%s: %v", p.name, troubles)
		}
	}
}
