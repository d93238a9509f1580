package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/services/config-api/internal/contract"
)

const (
	// keepAnswers is how long the response to a key is kept.
	keepAnswers = 24 * time.Hour

	// claimEnds is the age of a claim without a response at which its process must
	// have died, so that the key may be used again. It is longer than any request
	// takes (requestTime, and settling after it).
	claimEnds = 2 * time.Minute
)

// once runs a creation at most once for its Idempotency-Key, as in the IETF's
// draft of that header: the same key with the same request gets the first
// response, with another request it is refused, and while the first is in progress
// it is a conflict. Only successful responses are kept.
func (s *server) once(c echo.Context, header *string, body []byte, do func(context.Context) (answer, error)) error {
	ctx := c.Request().Context()
	if header == nil {
		a, err := do(ctx)
		if err != nil {
			return err
		}
		return a.write(c)
	}
	given, err := idempotencyKey(*header)
	if err != nil {
		return err
	}
	key, print := scopedKey(c, given), fingerprint(c, body)
	stored, err := s.claim(ctx, key, print)
	if err != nil {
		return err
	}
	if stored != nil {
		return replay(c, stored, print)
	}
	a, err := s.doClaimed(ctx, key, print, do)
	if err != nil {
		return err
	}
	return a.write(c)
}

// claim claims the key and returns nil, or returns what is stored of it.
func (s *server) claim(ctx context.Context, key string, print []byte) (*store.IdempotentAnswer, error) {
	stored, err := s.Idempotency.Begin(ctx, key, print, s.Now(), keepAnswers)
	if err == nil && stored != nil && stored.Status == 0 {
		// A claim this old belongs to a process that died.
		stored, err = s.Idempotency.Begin(ctx, key, print, s.Now(), claimEnds)
	}
	if err != nil {
		return nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	return stored, nil
}

// doClaimed runs the creation of a claimed key, and keeps the response or releases
// the key.
func (s *server) doClaimed(ctx context.Context, key string, print []byte, do func(context.Context) (answer, error)) (a answer, err error) {
	done := false
	after := context.WithoutCancel(ctx)
	defer func() {
		if done {
			return
		}
		if abandonErr := s.Idempotency.Abandon(after, key); abandonErr != nil {
			s.Log.WarnContext(after, "idempotency key not released", slog.Any("error", abandonErr))
		}
	}()
	if a, err = do(ctx); err != nil {
		return a, err
	}
	done = true
	kept := store.IdempotentAnswer{Fingerprint: print, Status: a.status, Header: a.header, Body: a.body, About: a.about}
	if finishErr := s.Idempotency.Finish(after, key, kept); finishErr != nil {
		// The creation succeeded; an error would invite a second one.
		s.Log.WarnContext(after, "idempotent answer not kept", slog.Any("error", finishErr))
	}
	return a, nil
}

func replay(c echo.Context, stored *store.IdempotentAnswer, print []byte) error {
	if subtle.ConstantTimeCompare(stored.Fingerprint, print) != 1 {
		reused := fault.InvalidFields(fault.Field{
			Pointer: "Idempotency-Key", Detail: "This Idempotency-Key was used for another request. Use a new one.",
		})
		reused.Code = "idempotency-key-reused"
		return reused
	}
	if stored.Status == 0 {
		return fault.New(fault.Conflict, "request-in-progress", "The first request with this Idempotency-Key is still being handled. Try again in a moment.")
	}
	if stored.Removed {
		return fault.New(fault.Conflict, "idempotency-key-used", "What was created with this Idempotency-Key was deleted or revoked since. Use a new one to create another.")
	}
	c.Response().Header().Set("Idempotent-Replayed", "true")
	return answer{status: stored.Status, header: stored.Header, body: stored.Body}.write(c)
}

// idempotencyKey returns the key of a header: a structured string in quotes, as
// in the draft, or the bare text that most clients send.
func idempotencyKey(header string) (string, error) {
	const most = 255
	key := header
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if key == "" || len(key) > most || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return "", contract.InvalidParameters(fault.Field{
			Pointer: "Idempotency-Key", Detail: "Idempotency-Key must be 1 to 255 visible ASCII characters without quotes or backslashes inside.",
		})
	}
	return key, nil
}

// scopedKey returns the stored key: that of a credential and of a path, which
// holds the organization.
func scopedKey(c echo.Context, key string) string {
	h := sha256.New()
	for _, part := range []string{requestOf(c).caller.ID(), c.Request().Method, c.Request().URL.Path, key} {
		h.Write(fmt.Appendf(nil, "%d:%s", len(part), part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprint tells one request from another under the same key.
func fingerprint(c echo.Context, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(c.Request().URL.RequestURI() + "\n"))
	h.Write(body)
	return h.Sum(nil)
}
