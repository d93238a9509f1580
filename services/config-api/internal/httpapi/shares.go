package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/ops"
	"github.com/dialnote/webhooks/pkg/share"
)

const (
	// requestsAtOnce is how many requests are worked on at once, of all callers.
	requestsAtOnce = 256

	// requestsWaiting is how many requests wait for their turn: one for each
	// connection that there may be.
	requestsWaiting = 4096

	// answerBytes bounds the answers that are being made and sent, of all callers.
	// An answer takes about three times its size until it is sent, as rows, values
	// and text, so all together take 96 MiB.
	answerBytes = 32 << 20

	// largeAnswer is what a page of a list or of the settings page may have; few are
	// as large. smallAnswer is what the answer to a change may have.
	largeAnswer = 256 << 10
	smallAnswer = 64 << 10
)

// shares are what callers share: requests at once, and the bytes of their answers.
// Each caller's organization may have what it leaves to others, and waits for more.
type shares struct {
	requests *share.Pool
	answers  *share.Pool
}

func newShares(r prometheus.Registerer) (*shares, error) {
	s := &shares{
		requests: share.NewPool("requests", share.Rule{Total: requestsAtOnce, Factor: 1}, requestsWaiting),
		answers:  share.NewPool("answer_bytes", share.Rule{Total: answerBytes, Factor: 1}, requestsAtOnce),
	}
	for _, p := range []*share.Pool{s.requests, s.answers} {
		if err := r.Register(p); err != nil {
			return nil, fmt.Errorf("register the metrics of shares: %w", err)
		}
	}
	return s, nil
}

// enter waits until a caller may have one more request worked on. It returns what
// ends the request, or a fault: RateLimited when the caller has its share and as many
// wait as may, Unavailable when all is taken, and ctx's error.
func (s *shares) enter(ctx context.Context, holder, method string) (leave func(), err error) {
	size := smallAnswer
	if method == http.MethodGet {
		size = largeAnswer
	}
	if err := s.requests.Acquire(ctx, holder, 1); err != nil {
		return nil, heldBack(err)
	}
	if err := s.answers.Acquire(ctx, holder, size); err != nil {
		s.requests.Release(holder, 1)
		return nil, heldBack(err)
	}
	return func() {
		s.answers.Release(holder, size)
		s.requests.Release(holder, 1)
	}, nil
}

// heldBack returns the fault of a request that gets no place.
func heldBack(err error) error {
	switch {
	case errors.Is(err, share.ErrOverShare):
		return fault.New(fault.RateLimited, "too-many-at-once", "Too many of your requests are being made at once. Wait for answers before you make more.").Because(err)
	case errors.Is(err, share.ErrFull):
		return fault.New(fault.Unavailable, "busy", "Too many requests are being made at the moment. Try again in a moment.").Because(err)
	}
	return fmt.Errorf("wait for the request's turn: %w", err)
}

// sharePage is the middleware of the settings page. It counts by client network, for the
// same reason as limiters.page. Its stream of changes has a bound of its own.
func (s *server) sharePage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.URL.Path == pageLive {
			return next(c)
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		leave, err := s.shares.enter(ctx, "page "+ops.ClientNetwork(clientAddr(r, s.limiters.trusted)), r.Method)
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}
