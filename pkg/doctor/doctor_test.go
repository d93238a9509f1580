package doctor_test

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/doctor"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/pgtest"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/store/storeurl"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// patient runs a dispatcher's doctor in an environment and returns the code and
// what it says.
func patient(t *testing.T, environ map[string]string, args ...string) (int, string) {
	t.Helper()
	var said bytes.Buffer
	service := doctor.Service{Name: "dispatcher", Needs: []string{"DATABASE_URL", "NATS_URL", "ENCRYPTION_KEYS"}, Role: stream.Dispatcher(), Sends: true}
	p := cli.Program{Name: "dispatcher", Commands: []cli.Command{doctor.Command(service)}}
	code := p.Run(t.Context(), append([]string{"doctor", "-timeout", "2s"}, args...), environ, &said, &said)
	return code, said.String()
}

// surroundings are a database that is migrated, a broker that has the streams,
// and an endpoint.
func surroundings(t *testing.T) (environ map[string]string, endpoint string) {
	t.Helper()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := secretbox.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.Schema(t)
	db, err := storeurl.Open(t.Context(), dsn, box)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillWithSecrets(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	receiver := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(receiver.Close)
	return map[string]string{
		"DIALNOTE_DATABASE_URL": dsn, "DIALNOTE_NATS_URL": withStreams(t, ""), "DIALNOTE_ENCRYPTION_KEYS": key,
		"DIALNOTE_ALLOW_PRIVATE_ENDPOINTS": "true", "DIALNOTE_ALLOW_HTTP_ENDPOINTS": "true", "HOME": "/root",
	}, receiver.URL
}

// withStreams returns the URL of a NATS server with the streams of an installation.
func withStreams(t *testing.T, installation string) string {
	t.Helper()
	srv := natstest.Start(t)
	conn, err := stream.Connect(stream.Settings{URL: srv.ClientURL(), Name: t.Name()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Ensure(t.Context(), stream.Topology{Retention: 24 * time.Hour, Replicas: 1, Installation: installation}); err != nil {
		t.Fatal(err)
	}
	return srv.ClientURL()
}

func TestAHealthyService(t *testing.T) {
	t.Parallel()
	environ, endpoint := surroundings(t)
	code, said := patient(t, environ, "-egress", endpoint)
	for _, want := range []string{
		"OK    settings  all that are needed are set", "WARN  settings  DIALNOTE_ALLOW_PRIVATE_ENDPOINTS lets customers",
		"OK    database  PostgreSQL", "OK    database  the schema is at version", "OK    database  it can be written",
		"OK    keys      everything stored was encrypted with the keys k",
		"OK    nats      nats-server 2.", "OK    nats      5 streams; 0 events waiting", "OK    nats      this user may do what the service does",
		"OK    clock     the database's clock agrees", "OK    clock     the NATS server's clock agrees",
		"answers, 404 after", " 0 failed\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said", want)
		}
	}
	if code != 0 || t.Failed() {
		t.Errorf("code %d:\n%s", code, said)
	}
}

// Each trouble is found, and there is something to do about it.
func TestTroubles(t *testing.T) {
	t.Parallel()
	environ, endpoint := surroundings(t)
	other, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(environ["DIALNOTE_ENCRYPTION_KEYS"], ":")
	_, text, _ := strings.Cut(other, ":")
	bare, orphan, foreign := natstest.Start(t), withStreams(t, ""), withStreams(t, "01OTHER")
	natstest.DeleteConsumer(t, orphan, proto.StreamEvents, "dispatchers-1-3")
	for what, c := range map[string]struct {
		change map[string]string
		egress string
		want   []string
	}{
		"wrong settings":  {map[string]string{"DIALNOTE_NATS_URL": "", "DIALNOTE_RETENTION": "1m"}, "", []string{"FAIL  settings  DIALNOTE_NATS_URL is not set"}},
		"a wrong limit":   {map[string]string{"DIALNOTE_RETENTION": "1m"}, "", []string{"FAIL  settings  DIALNOTE_RETENTION must be 1h to 2160h"}},
		"no key":          {map[string]string{"DIALNOTE_ENCRYPTION_KEYS": "x"}, "", []string{"FAIL  settings  DIALNOTE_ENCRYPTION_KEYS: "}},
		"a slip":          {map[string]string{"DIALNOTE_RETENTON": "1h"}, "", []string{"FAIL  settings  DIALNOTE_RETENTON is no setting of this version; is DIALNOTE_RETENTION meant?"}},
		"a missing file":  {map[string]string{"DIALNOTE_NATS_CA_FILE": "/nowhere/ca.pem"}, endpoint, []string{"FAIL  settings  DIALNOTE_NATS_CA_FILE: open /nowhere/ca.pem", "FAIL  nats"}},
		"no database":     {map[string]string{"DIALNOTE_DATABASE_URL": "postgres://absent@127.0.0.1:1/x?sslmode=disable"}, endpoint, []string{"FAIL  database  not reached: ", "connection refused", "OK    nats"}},
		"an empty one":    {map[string]string{"DIALNOTE_DATABASE_URL": pgtest.Schema(t)}, endpoint, []string{"WARN  database  the schema is at version 0; this program brings it to"}},
		"another key":     {map[string]string{"DIALNOTE_ENCRYPTION_KEYS": other}, endpoint, []string{"FAIL  keys      DIALNOTE_ENCRYPTION_KEYS lacks " + name}},
		"the wrong bytes": {map[string]string{"DIALNOTE_ENCRYPTION_KEYS": name + ":" + text}, endpoint, []string{"FAIL  keys      what is stored cannot be read"}},
		"no broker":       {map[string]string{"DIALNOTE_NATS_URL": "nats://127.0.0.1:1"}, endpoint, []string{"FAIL  nats      not reached: ", "OK    egress"}},
		"no streams":      {map[string]string{"DIALNOTE_NATS_URL": bare.ClientURL()}, endpoint, []string{"WARN  nats      there are no streams yet"}},
		"no consumer":     {map[string]string{"DIALNOTE_NATS_URL": orphan}, endpoint, []string{"FAIL  nats      the consumer dispatchers-1-3 of stream DIALNOTE_EVENTS is missing"}},
		"another one's":   {map[string]string{"DIALNOTE_NATS_URL": foreign}, endpoint, []string{"FAIL  nats      the streams belong to another installation (01OTHER; "}},
		"too few copies":  {map[string]string{"DIALNOTE_STREAM_REPLICAS": "3"}, endpoint, []string{"WARN  nats      DIALNOTE_EVENTS has 1 copy, the setting asks for 3"}},
		"no listener":     {nil, "http://127.0.0.1:1/", []string{"FAIL  egress    127.0.0.1:1: "}},
		"no such name":    {nil, "http://nowhere.invalid/", []string{"FAIL  dns       nowhere.invalid cannot be resolved"}},
		"a private one":   {map[string]string{"DIALNOTE_ALLOW_PRIVATE_ENDPOINTS": "false"}, endpoint, []string{"OK    egress    the address guard stops", "FAIL  egress", "resolves into a private network"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			changed := maps.Clone(environ)
			maps.Copy(changed, c.change)
			args := []string{"-egress", "none"}
			if c.egress != "" {
				args[1] = c.egress
			}
			code, said := patient(t, changed, args...)
			fails := false
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said", want)
				}
				fails = fails || strings.HasPrefix(want, "FAIL")
			}
			if found := regexp.MustCompile(`(?m)^(WARN|FAIL).*\n([^ ]|\n)`).FindString(said); found != "" {
				t.Errorf("nothing is said to be done about %q", found)
			}
			if (code != 0) != fails || t.Failed() {
				t.Errorf("code %d:\n%s", code, said)
			}
			for _, secret := range []string{text, environ["DIALNOTE_ENCRYPTION_KEYS"]} {
				if strings.Contains(said, secret) {
					t.Error("a key is printed")
				}
			}
		})
	}
}
