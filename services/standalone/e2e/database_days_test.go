package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/pgtest"
)

// databaseDay is what an operator does to the database while events flow.
type databaseDay struct {
	name     string
	settings string // of the program's connections
	daily    bool   // it is tried with each run of the tests
	alone    bool   // it needs a server of its own
	reads    bool   // only the log is affected: the API goes on to change webhooks
	begin    func(*pgtest.Site) (end func())

	// says is what the dispatchers' log says that is wrong and what to do about it;
	// "" for a day that no replica notices for longer than a moment.
	says string
}

// live lets an operator's day happen while events flow, for so long, and holds
// against each other what was accepted, what arrived and what is in the log.
func (d databaseDay) live(t *testing.T, host *pgtest.Host, away time.Duration) {
	t.Helper()
	if d.alone {
		host = pgtest.NewHost(t, pgtest.Options{Durable: true})
	}
	site := host.Site(t, d.settings)
	s := newSystem(t, site.DSN)
	s.run(t, 2)
	c := s.client(t)
	l := newLedger(s.receiver, allTypes(t, c, s.receiverURL)...)

	const rate = 20
	published := s.publishToNATS(t, l, 7, rate*(int(away/time.Second)+6), rate)
	l.reached(t, 2*rate)
	end := d.begin(site)
	if d.says != "" {
		d.isTold(t, s, c)
	}
	idle := watchCPU(t, append(s.dispatchers, s.api)...)
	<-time.After(away) // what is shown is what happens for that long
	idle(t, away)
	end()
	published.Wait()
	l.settled(t)
	s.ready(t)
	l.healthy(t, c)
	unlogged := l.logged(t, s.store(t))
	t.Logf("%d deliveries, %d duplicates, %d requests not in the log; lines that complain: %d and %d",
		len(l.debts()), l.duplicates(), unlogged, complaints(s.dispatchers[0]), complaints(s.api))
	if l.duplicates() > 0 || unlogged > 0 {
		t.Errorf("no process was killed, and %d deliveries came twice, %d requests are not in the log", l.duplicates(), unlogged)
	}
	for _, p := range append(s.dispatchers, s.api) {
		if !p.alive() {
			t.Errorf("%s has ended: %v", p.name, p.err)
		}
		if internal := failures(p); internal != "" {
			t.Errorf("%s answered 500: %s", p.name, internal)
		}
	}
}

// isTold waits until each replica says that it is not ready, and the log why; and
// checks that the API refuses a change with words.
func (d databaseDay) isTold(t *testing.T, s *system, c *client) {
	t.Helper()
	away := append([]*process{s.api}, s.dispatchers...)
	if d.reads {
		away = s.dispatchers
	}
	for _, p := range away {
		isUnready(t, p)
		if metric(t, p, "dialnote_ready") != 0 {
			t.Errorf("%s says in its metrics that it is ready", p.name)
		}
	}
	s.dispatchers[0].matching(t, `"level":"WARN".*`+d.says)
	if d.reads {
		return
	}
	await(t, "the API changes webhooks", func() error {
		var problem struct{ Type, Detail string }
		status := c.try(t, http.MethodPost, organization+"/webhooks", map[string]string{"name": "x", "provider": "custom", "url": s.receiverURL + "/ok/x", "event": "call.completed"}, &problem)
		if status != http.StatusServiceUnavailable || !strings.HasSuffix(problem.Type, ":database-unavailable") || problem.Detail == "" {
			return fmt.Errorf("%d %+v", status, problem)
		}
		return nil
	})
}

// isUnready waits until a service says that it is not ready.
func isUnready(t *testing.T, p *process) {
	t.Helper()
	base := operators(t, p)
	await(t, p.name+" is ready", func() error {
		status, text, err := get(base + "/readyz")
		if err == nil && status != http.StatusServiceUnavailable {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	})
}

// failures returns the first line about a request that was answered with 500.
func failures(p *process) string {
	lines, _, _ := p.log.from(0)
	for _, line := range lines {
		if strings.Contains(line, `"status":500`) {
			return line
		}
	}
	return ""
}

// complaints counts the lines of a log that say that the database is away.
func complaints(p *process) (n int) {
	lines, _, _ := p.log.from(0)
	expression := regexp.MustCompile(`"level":"(WARN|ERROR)"`)
	for _, line := range lines {
		if expression.MatchString(line) && !strings.Contains(line, `"msg":"request"`) {
			n++
		}
	}
	return n
}

// laboratory is the variable that has TestTheDatabaseRefuses try all days, each for
// so many seconds; unset, it tries a few for five.
const laboratory = "LABORATORY_SECONDS"

// The database refuses, for a reason that is not in the rows: outcomes are kept,
// what was sent is not sent again, readiness and the log tell why.
func TestTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	away := time.Duration(number(t, laboratory, 5)) * time.Second
	host := pgtest.NewHost(t, pgtest.Options{})
	for _, day := range databaseDays() {
		if os.Getenv(laboratory) == "" && !day.daily {
			continue
		}
		t.Run(day.name, func(t *testing.T) {
			t.Parallel()
			day.live(t, host, away)
		})
	}
}

func databaseDays() []databaseDay {
	set := func(setting string) func(*pgtest.Site) func() {
		name, _, _ := strings.Cut(setting, " ")
		return func(s *pgtest.Site) func() {
			s.Admin(`ALTER ROLE ` + s.Role + ` SET ` + setting)
			s.End()
			return func() { s.Admin(`ALTER ROLE ` + s.Role + ` RESET ` + name) }
		}
	}
	lock := func(lock string) func(*pgtest.Site) func() {
		return func(s *pgtest.Site) func() { return s.Lock("an operator", lock) }
	}
	return []databaseDay{
		{name: "rights revoked", daily: true, says: `42501.*grant the role`, begin: revokeRights},
		{name: "password changed and changed back", says: `28P01.*DIALNOTE_DATABASE_URL`, begin: changePassword},
		{name: "pg_hba refuses", says: `28000.*pg_hba.conf`, begin: func(s *pgtest.Site) func() {
			s.Allow("reject")
			s.End()
			return func() { s.Allow("trust") }
		}},
		{name: "connection limit reached", says: `53300.*max_connections`, begin: func(s *pgtest.Site) func() {
			s.Admin(`ALTER ROLE ` + s.Role + ` CONNECTION LIMIT 0`)
			s.End()
			return func() { s.Admin(`ALTER ROLE ` + s.Role + ` CONNECTION LIMIT -1`) }
		}},
		{name: "database renamed away", says: `3D000.*rename`, begin: func(s *pgtest.Site) func() {
			s.Rename(s.Role, "aside_"+s.Role)
			return func() { s.Rename("aside_"+s.Role, s.Role) }
		}},
		{name: "role made read only", daily: true, says: `25006.*default_transaction_read_only`, begin: set("default_transaction_read_only = on")},
		{name: "statement_timeout on the role", begin: set("statement_timeout = '1ms'")},
		{name: "lock_timeout on the role", begin: set("lock_timeout = '1ms'")},
		{name: "idle_in_transaction_session_timeout on the role", begin: set("idle_in_transaction_session_timeout = '1ms'")},
		{name: "idle_session_timeout on the role", begin: set("idle_session_timeout = '50ms'")},
		{name: "time zone and DateStyle on the role", begin: func(s *pgtest.Site) func() {
			s.Admin(`ALTER ROLE ` + s.Role + ` SET DateStyle = 'German, DMY'`)
			return set("timezone = 'Asia/Kolkata'")(s)
		}},
		{name: "connections ended again and again", begin: func(s *pgtest.Site) func() {
			for range 20 {
				s.End()
			}
			return func() {}
		}},
		{name: "LOCK TABLE by an operator", says: `55P03.*pg_locks`, begin: lock("webhooks, attempts, outcome_hours")},
		{name: "a long transaction of a backup", begin: lock("webhooks, attempts, outcome_hours IN ACCESS SHARE MODE")},
		{name: "restart immediate", alone: true, begin: func(s *pgtest.Site) func() {
			s.Server(func(c *pgtest.Cluster) error { return errors.Join(c.Crash(), c.Resume()) })
			return func() {}
		}},
		{name: "a partition missing", says: `23514.*attempts_default`, begin: func(s *pgtest.Site) func() {
			today := time.Now().UTC().Truncate(24 * time.Hour)
			name := today.Format("attempts_20060102")
			s.Do(`ALTER TABLE attempts DETACH PARTITION attempts_default`, `ALTER TABLE attempts DETACH PARTITION `+name)
			return func() {
				s.Do(`ALTER TABLE attempts ATTACH PARTITION `+name+` FOR VALUES FROM ('`+today.Format(time.RFC3339)+`') TO ('`+today.Add(24*time.Hour).Format(time.RFC3339)+`')`,
					`ALTER TABLE attempts ATTACH PARTITION attempts_default DEFAULT`)
			}
		}, reads: true},
	}
}

func revokeRights(s *pgtest.Site) func() {
	s.Do(`ALTER TABLE outcome_hours OWNER TO postgres`, `GRANT SELECT ON outcome_hours TO `+s.Role,
		`ALTER TABLE webhooks OWNER TO postgres`, `GRANT SELECT, UPDATE ON webhooks TO `+s.Role)
	return func() {
		s.Do(`ALTER TABLE outcome_hours OWNER TO `+s.Role, `ALTER TABLE webhooks OWNER TO `+s.Role)
	}
}

func changePassword(s *pgtest.Site) func() {
	s.Allow("scram-sha-256")
	s.Admin(`ALTER ROLE ` + s.Role + ` PASSWORD 'other'`)
	s.End()
	return func() { s.Admin(`ALTER ROLE ` + s.Role + ` PASSWORD '` + pgtest.Password + `'`) }
}
