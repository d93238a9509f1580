package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
)

// credentialRecheck is how often the credential of a stream is looked up again:
// one that was revoked, or has expired, keeps its streams for so long at most.
const credentialRecheck = 15 * time.Second

// whileCredentialValid returns the context of a request for a stream. It ends with
// the request, and when the request's credential no longer opens what the schemes
// open. While the credential cannot be looked up, the stream goes on.
func (s *server) whileCredentialValid(r *http.Request, schemes []string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		tick := time.NewTicker(credentialRecheck)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, err := s.Authenticator.Authenticate(r, schemes)
				if fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.Forbidden) {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}
