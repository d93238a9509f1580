package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
)

// verdicts answers each look-up with the next error; the last one stays.
type verdicts struct{ list []error }

func (v *verdicts) HasServiceToken(*http.Request) bool { return false }

func (v *verdicts) Authenticate(*http.Request, []string) (auth.Caller, error) {
	err := v.list[0]
	if len(v.list) > 1 {
		v.list = v.list[1:]
	}
	return auth.Caller{}, err
}

func TestAStreamEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verdicts []error
		ends     time.Duration // 0 for never
	}{
		"good":              {[]error{nil}, 0},
		"revoked":           {[]error{nil, nil, fault.New(fault.Unauthenticated, "unauthenticated", "Gone.")}, 3 * credentialRecheck},
		"no longer allowed": {[]error{fault.New(fault.Forbidden, "forbidden", "No.")}, credentialRecheck},
		"database away":     {[]error{fault.New(fault.Unavailable, "database-unavailable", "Away."), errors.New("odd")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{Options: Options{Authenticator: &verdicts{tc.verdicts}}}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				began := time.Now()
				ctx, cancel := s.whileCredentialValid(r, nil)
				defer cancel()
				waiting, stop := context.WithTimeout(ctx, time.Hour)
				defer stop()
				<-waiting.Done()
				ended := errors.Is(waiting.Err(), context.Canceled)
				if took := time.Since(began); ended != (tc.ends > 0) || ended && took != tc.ends {
					t.Errorf("ended %t after %s, want %s", ended, took, tc.ends)
				}
			})
		})
	}
}
