package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/config-api/app"
)

func TestOnlyKnownTokensEnter(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, header := range map[string]string{
		"none":           "",
		"basic":          "Basic " + token,
		"no scheme":      token,
		"empty":          "Bearer ",
		"unknown":        "Bearer " + strings.Repeat("x", len(token)),
		"prefix":         "Bearer " + token[:len(token)-1],
		"longer":         "Bearer " + token + "x",
		"name and token": "Bearer backend:" + token,
		"another case":   "Bearer " + strings.ToUpper(token),
	} {
		r := s.do(t, call{path: webhooks, token: "-", header: map[string]string{"Authorization": header}})
		if p := r.problem(t, http.StatusUnauthorized); p.Type != "urn:dialnote:problem:unauthenticated" {
			t.Errorf("%s: %+v", name, p)
		}
		if r.header.Get("WWW-Authenticate") != `Bearer realm="dialnote"` {
			t.Errorf("%s: WWW-Authenticate %q", name, r.header.Get("WWW-Authenticate"))
		}
	}
	for _, known := range []string{token, otherToken} {
		s.do(t, call{path: webhooks, token: known}).want(t, http.StatusOK)
	}
	s.do(t, call{path: webhooks, token: "-", header: map[string]string{"Authorization": "bearer " + token}}).want(t, http.StatusOK)
	// The document gives the Zapier endpoints to Zapier keys only.
	if p := s.do(t, call{path: "/v1/zapier/me"}).problem(t, http.StatusForbidden); p.Type != "urn:dialnote:problem:forbidden" {
		t.Errorf("got %+v", p)
	}
}

func TestWrongTokenSettings(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"", "token-without-a-name-0123", ":token-0123456789abc", "name:short", "a:token-0123456789abc,,", "a:token-0123456789abc,b", "a:dnk_token-0123456789abc"} {
		_, err := app.New(app.Config{APITokens: setting}, start(t).dependencies())
		if err == nil {
			t.Errorf("%q was accepted", setting)
		} else if strings.Contains(err.Error(), "0123456789abc") || strings.Contains(err.Error(), "name:short") {
			t.Errorf("the error shows a token: %v", err)
		}
	}
}

func TestForgottenDependency(t *testing.T) {
	t.Parallel()
	deps := start(t).dependencies()
	deps.Stream = nil
	if _, err := app.New(app.Config{APITokens: "a:" + token}, deps); err == nil || !strings.Contains(err.Error(), "Stream") {
		t.Errorf("got %v", err)
	}
}
