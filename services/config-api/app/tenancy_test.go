package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

// in stands for any response to a caller with access: not 401, 403, nor 404 for an
// organization that is out of reach.
const in = 0

// admission is the answers to each kind of credential. A foreign credential is
// another organization's, and good there.
type admission struct {
	None, Unknown                             int
	Token                                     int
	Key, Session, Zapier                      int
	ForeignKey, ForeignSession, ForeignZapier int
}

// The kinds of admission there are.
func admissions() (open, manage, events, page, platform, zapier admission) {
	open = admission{}
	manage = admission{ // programs of the organization and people on the page
		None: 401, Unknown: 401, Zapier: 403,
		ForeignKey: 404, ForeignSession: 404, ForeignZapier: 403,
	}
	events = admission{ // programs
		None: 401, Unknown: 401, Session: 403, Zapier: 403,
		ForeignKey: 404, ForeignSession: 403, ForeignZapier: 403,
	}
	page = admission{ // people
		None: 401, Unknown: 401, Key: 403, Zapier: 403,
		ForeignKey: 403, ForeignSession: 404, ForeignZapier: 403,
	}
	platform = admission{
		None: 401, Unknown: 401, Key: 403, Session: 403, Zapier: 403,
		ForeignKey: 403, ForeignSession: 403, ForeignZapier: 403,
	}
	zapier = admission{ // names no organization: the key does
		None: 401, Unknown: 401, Token: 403, Key: 403, Session: 403,
		ForeignKey: 403, ForeignSession: 403,
	}
	return open, manage, events, page, platform, zapier
}

// tenancy is who may do what: every operation has its row.
func tenancy() map[string]admission {
	open, manage, events, page, platform, zapier := admissions()
	return map[string]admission{
		"listWebhooks":          manage,
		"createWebhook":         manage,
		"getWebhook":            manage,
		"updateWebhook":         manage,
		"deleteWebhook":         manage,
		"getWebhookSecret":      manage,
		"enableWebhook":         manage,
		"testWebhook":           manage,
		"listDeliveries":        manage,
		"getDelivery":           manage,
		"redeliver":             manage,
		"createRecovery":        manage,
		"getRecovery":           manage,
		"cancelRecovery":        manage,
		"getWebhookStats":       manage,
		"publishEvent":          events,
		"followEvents":          events,
		"watchChanges":          manage,
		"listAuditLog":          manage,
		"getZapierKey":          page,
		"rotateZapierKey":       page,
		"listApiKeys":           page,
		"createApiKey":          page,
		"revokeApiKey":          page,
		"createPortalLink":      platform,
		"getZapierAccount":      zapier,
		"subscribeZapierHook":   zapier,
		"unsubscribeZapierHook": zapier,
		"listZapierSamples":     zapier,
		"getLiveness":           open,
		"getReadiness":          open,
		"getMetrics":            open,
		"getDocument":           open,
		"getDocs":               open,
	}
}

// Of every operation of the document, each kind of credential gets exactly the
// answer that stands in the table. An operation without a row fails.
func TestTenancy(t *testing.T) {
	t.Parallel()
	table := tenancy()
	d := load(t)
	for _, op := range d.Operations() {
		want, listed := table[op.ID]
		if !listed {
			t.Errorf("%s %s (%s) has no row: who may use it?", op.Method, op.Path, op.ID)
			continue
		}
		delete(table, op.ID)
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			c := call{method: op.Method, path: addressOf(op, s.exemplify(t, op)), body: bodyOf(t, op), token: "-"}
			if op.Streams() {
				c.method = http.MethodHead // its answer has no end
			}
			s.wantForeignObject(t, op, c, want)
			entered := false
			for _, tc := range s.credentials(t, want) {
				status := s.wantEntry(t, tc, c)
				if tc.want == in && !entered && status >= http.StatusMultipleChoices {
					t.Errorf("%s: %d: did a credential that was refused change something?", tc.name, status)
				}
				entered = entered || tc.want == in
			}
		})
	}
	for id := range table {
		t.Errorf("%s has a row and is no operation", id)
	}
}

// credential is one with the answer that it is to get.
type credential struct {
	name   string
	token  string
	header map[string]string
	want   int
}

// credentials returns every kind, those that do not enter first: what they are
// refused is still there then.
func (s *system) credentials(t *testing.T, want admission) []credential {
	t.Helper()
	_, key := s.apiKey(t, "acme")
	_, foreign := s.apiKey(t, "other")
	unknown := strings.Repeat("x", 43)
	list := []credential{
		{"none", "-", nil, want.None},
		{"unknown token", unknown, nil, want.Unknown},
		{"unknown key", "dnk_" + unknown, nil, want.Unknown},
		{"unknown Zapier key", "-", byZapier("dnk_" + unknown), want.Unknown},
		{"unknown session", "-", withCookie("dns_" + unknown), want.Unknown},
		{"another's key", foreign, nil, want.ForeignKey},
		{"another's session", "-", withCookie(s.session(t, "other")), want.ForeignSession},
		{"another's Zapier key", "-", byZapier(s.zapierKey(t, "other")), want.ForeignZapier},
		{"Zapier key", "-", byZapier(s.zapierKey(t, "acme")), want.Zapier},
		{"key", key, nil, want.Key},
		{"session", "-", withCookie(s.session(t, "acme")), want.Session},
		{"service token", token, nil, want.Token},
		// The text of one kind is not good as another.
		{"Zapier key as a token", s.zapierKey(t, "acme"), nil, want.Unknown},
		{"service token as a Zapier key", "-", byZapier(token), want.Unknown},
		{"key as a Zapier key", "-", byZapier(key), want.Unknown},
		{"key as a session", "-", withCookie(key), want.Unknown},
	}
	slices.SortStableFunc(list, func(a, b credential) int {
		switch {
		case (a.want == in) == (b.want == in):
			return 0
		case b.want == in:
			return -1
		default:
			return 1
		}
	})
	return list
}

func byZapier(key string) map[string]string { return map[string]string{"X-DIALNOTE-API-KEY": key} }

func (s *system) wantEntry(t *testing.T, tc credential, c call) (status int) {
	t.Helper()
	c.token, c.header = tc.token, tc.header
	r := s.do(t, c)
	switch {
	case tc.want == in && (r.status == http.StatusUnauthorized || r.status == http.StatusForbidden):
		t.Errorf("%s: %d, want to enter: %s", tc.name, r.status, r.text)
	case tc.want != in && r.status != tc.want:
		t.Errorf("%s: %d, want %d: %s", tc.name, r.status, tc.want, r.text)
	}
	return r.status
}

// wantForeignObject tries what another organization has under the own one's
// path.
func (s *system) wantForeignObject(t *testing.T, op *contract.Operation, c call, want admission) {
	t.Helper()
	if !strings.Contains(op.Path, "{org}") || !strings.Contains(strings.Replace(op.Path, "{org}", "", 1), "{") {
		return
	}
	c.path = strings.Replace(c.path, "/organizations/acme/", "/organizations/other/", 1)
	_, foreign := s.apiKey(t, "other")
	for _, tc := range []credential{
		{"service token", token, nil, want.Token},
		{"key", foreign, nil, want.Key},
		{"session", "-", withCookie(s.session(t, "other")), want.Session},
	} {
		if tc.want == in {
			tc.want = http.StatusNotFound
		}
		tc.name += " for its own organization, with another's object"
		s.wantEntry(t, tc, c)
	}
}
