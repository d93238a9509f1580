package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/stream"
)

func TestJudgements(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	streams := func(s ...stream.StreamHealth) stream.Inspection { return stream.Inspection{Streams: s, Servers: 1} }
	last := func(f []Finding) Finding { return f[len(f)-1] }
	for name, c := range map[string]struct {
		got  Finding
		want Level
	}{
		"clocks agree":                 {judgeClock("x", 999*time.Millisecond, 0), OK},
		"a clock is a second ahead":    {judgeClock("x", time.Second, 0), Warn},
		"a clock is a second behind":   {judgeClock("x", -time.Second, 0), Warn},
		"a slow answer explains it":    {judgeClock("x", time.Second, 100*time.Millisecond), OK},
		"almost ten seconds":           {judgeClock("x", 9999*time.Millisecond, 0), Warn},
		"ten seconds":                  {judgeClock("x", -10*time.Second, 0), Fail},
		"an old Postgres":              {judgeEngine("PostgreSQL 13.14"), Fail},
		"the oldest Postgres":          {judgeEngine("PostgreSQL 14.0 (Debian 14.0-1)"), OK},
		"SQLite":                       {judgeEngine("SQLite 3.51.0"), Warn},
		"this schema":                  {judgeSchema(store.Schema{Database: 6, Program: 6, Serves: 6}), OK},
		"an older schema":              {judgeSchema(store.Schema{Database: 5, Program: 6, Serves: 5, Pending: []string{"x"}}), Warn},
		"a newer schema that serves":   {judgeSchema(store.Schema{Database: 7, Program: 6, Serves: 6}), Warn},
		"a newer schema that does not": {judgeSchema(store.Schema{Database: 7, Program: 6, Serves: 7}), Fail},
		"it can be written":            {judgeWrite(nil), OK},
		"it cannot be written":         {judgeWrite(errors.New("read only")), Fail},
		"a new broker":                 {judgeVersion(stream.Inspection{Version: "2.12.0"}), OK},
		"an old broker":                {judgeVersion(stream.Inspection{Version: "2.11.9", TooOld: true}), Fail},
		"no limit":                     {judgeStorage(stream.Inspection{Stored: 9 * gib, StoreLimit: -1}), OK},
		"much room":                    {judgeStorage(stream.Inspection{Stored: 79 * gib, StoreLimit: 100 * gib}), OK},
		"little room":                  {judgeStorage(stream.Inspection{Stored: 80 * gib, StoreLimit: 100 * gib}), Warn},
		"hardly any room":              {judgeStorage(stream.Inspection{Stored: 95 * gib, StoreLimit: 100 * gib}), Fail},
		"events without a bound":       {judgeEvents([]stream.StreamHealth{{Name: "DIALNOTE_LANES"}, {Name: "DIALNOTE_EVENTS"}})[0], Warn},
		"room for events":              {judgeEvents([]stream.StreamHealth{{Name: "DIALNOTE_EVENTS", Bytes: 84 * gib, Limit: 100 * gib}})[0], OK},
		"little room for events":       {judgeEvents([]stream.StreamHealth{{Name: "DIALNOTE_EVENTS", Bytes: 85 * gib, Limit: 100 * gib}})[0], Warn},
		"streams as they should be":    {last(judgeStreams(streams(stream.StreamHealth{Name: "A", Replicas: 3}), 3)), OK},
		"a copy is behind":             {judgeStreams(streams(stream.StreamHealth{Name: "A", Replicas: 3, Lacking: []string{"n2"}}), 3)[0], Warn},
		"another number of copies":     {judgeStreams(streams(stream.StreamHealth{Name: "A", Replicas: 1}), 3)[0], Warn},
		"one stream is missing":        {last(judgeStreams(streams(stream.StreamHealth{Name: "A", Replicas: 1}, stream.StreamHealth{Name: "B", Missing: true}), 1)), Warn},
		"a cluster for nothing":        {last(judgeStreams(stream.Inspection{Servers: 3, Streams: []stream.StreamHealth{{Name: "A", Replicas: 1}}}, 1)), Warn},
		"everything is allowed":        {judgeRefused(nil, nil), OK},
		"something is refused":         {judgeRefused([]string{"publish to x"}, nil), Fail},
		"not known":                    {judgeRefused(nil, errors.New("x")), Fail},
		"enough files":                 {judgeOpenFiles(1792, 512), OK},
		"too few files":                {judgeOpenFiles(1791, 512), Warn},
		"not known how many":           {judgeOpenFiles(0, 512), OK},
		"a quick lookup":               {judgeLookup("x", 2, 2*time.Second), OK},
		"a slow lookup":                {judgeLookup("x", 2, 2*time.Second+1), Warn},
		"the guard holds":              {judgeGuard(delivery.Outcome{Reason: delivery.ReasonBlockedAddress}), OK},
		"the guard does not hold":      {judgeGuard(delivery.Outcome{Reason: delivery.ReasonConnect}), Fail},
		"any answer will do":           {judgeRequest("x", delivery.Outcome{Result: delivery.Failed, StatusCode: 503}, Fail), OK},
		"no answer":                    {judgeRequest("x", delivery.Outcome{Reason: delivery.ReasonTLS, Cause: errors.New("x")}, Fail), Fail},
		"no answer, of no customer":    {judgeRequest("x", delivery.Outcome{Reason: delivery.ReasonConnect}, Warn), Warn},
	} {
		if c.got.Level != c.want || c.got.Says == "" || (c.got.Do == "") != (c.want == OK) {
			t.Errorf("%s: %+v, want %s", name, c.got, c.want)
		}
	}
}

func TestJudgeSettings(t *testing.T) {
	t.Parallel()
	good := config.Settings{
		DatabaseURL: "postgres://u:p@db.example.com/x?sslmode=verify-full", NATSURL: "tls://a.example.com:4222,tls://b.example.com:4222", NATSCreds: "x",
		PublicURL: "https://hooks.example.com",
	}
	for _, c := range []struct {
		change func(*config.Settings)
		sends  bool
		want   string // begins what is said; "" for nothing
	}{
		{func(*config.Settings) {}, false, ""},
		{func(s *config.Settings) { s.AllowHTTPEndpoints = true }, false, "DIALNOTE_ALLOW_HTTP_ENDPOINTS"},
		{func(s *config.Settings) { s.AllowPrivateEndpoints = true }, true, "DIALNOTE_ALLOW_PRIVATE_ENDPOINTS"},
		{func(s *config.Settings) { s.PublicURL = "" }, false, "DIALNOTE_PUBLIC_URL is not set"},
		{func(s *config.Settings) { s.PublicURL = "" }, true, ""},
		{func(s *config.Settings) { s.PublicURL = "http://hooks.example.com" }, false, "DIALNOTE_PUBLIC_URL is http"},
		{func(s *config.Settings) { s.PublicURL = "http://127.0.0.1:8080" }, false, ""},
		{func(s *config.Settings) { s.DatabaseURL = "postgres://u:p@db.example.com/x?sslmode=disable" }, false, "DIALNOTE_DATABASE_URL has"},
		{func(s *config.Settings) { s.DatabaseURL = "postgres://u:p@localhost/x?sslmode=disable" }, false, ""},
		{func(s *config.Settings) { s.DatabaseURL = "postgres:///x?sslmode=disable&host=/run/postgresql" }, false, ""},
		{func(s *config.Settings) { s.NATSURL = "tls://a.example.com,nats://b.example.com" }, false, "DIALNOTE_NATS_URL reaches"},
		{func(s *config.Settings) { s.NATSURL, s.NATSCAFile = "nats://b.example.com", "x" }, false, ""},
		{func(s *config.Settings) { s.NATSURL = "nats://127.0.0.1:4222,nats://[::1]:4222" }, false, ""},
		{func(s *config.Settings) { s.NATSCreds = "" }, false, "DIALNOTE_NATS_USER, NATS_CREDS"},
		{func(s *config.Settings) { s.NATSCreds, s.NATSURL = "", "tls://u:p@a.example.com" }, false, ""},
	} {
		s := good
		c.change(&s)
		findings := judgeSettings(s, c.sends)
		if c.want == "" && len(findings) > 0 || c.want != "" && (len(findings) != 1 || !strings.HasPrefix(findings[0].Says, c.want)) {
			t.Errorf("%+v, want %q", findings, c.want)
		}
	}
}
