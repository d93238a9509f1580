// Package portal serves the settings page: Settings → Webhooks. It shows what
// manage returns and calls manage for every change; it has no rules of its own.
// Every page works without scripts too.
package portal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/proto/receivers"
	"github.com/dialnote/webhooks/services/config-api/internal/auth"
	"github.com/dialnote/webhooks/services/config-api/internal/live"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// Reading has places for requests that read much.
type Reading interface {
	// Begin waits for a place for a reader, which end gives back. Its error is the
	// request's.
	Begin(ctx context.Context, reader string) (end func(), err error)
}

// Options are what the page works with. All are needed, but for Embedders.
type Options struct {
	Service *manage.Service
	Live    *live.Hub
	Cookies auth.Cookies

	// Origins are where the page's own requests come from.
	Origins *http.CrossOriginProtection

	DisableAfter int           // consecutive failures that disable a webhook
	Retention    time.Duration // how long the log is kept
	Embedders    []string      // origins that may show the page in a frame

	// Reading has the places for requests that read much.
	Reading Reading

	// StatusOf is the table from kinds of errors to HTTP statuses.
	StatusOf func(fault.Kind) int

	Now func() time.Time
	Log *slog.Logger
}

// Portal serves everything under /portal/. Safe for concurrent use.
type Portal struct {
	Options

	renderer  *render.Renderer
	languages []view.Language
	handler   http.Handler
	writers   writers
}

// New returns the page, or an error when a template is broken.
func New(o Options) (*Portal, error) {
	renderer, err := render.New()
	if err != nil {
		return nil, fmt.Errorf("make the renderer: %w", err)
	}
	examples, err := receivers.All()
	if err != nil {
		return nil, fmt.Errorf("read the code that verifies: %w", err)
	}
	p := &Portal{Options: o, renderer: renderer, languages: view.LanguagesOf(examples)}
	p.handler = p.routes()
	return p, nil
}

// ServeHTTP serves a request of the page. It refuses a form that another site
// posts, even with a session's cookie.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.Origins.Check(r); err != nil {
		p.fail(w, r, view.Theme{}, fault.New(fault.Forbidden, "cross-origin", "This request came from another site. Open the page from dialnote again.").Because(err))
		return
	}
	p.handler.ServeHTTP(w, r)
}

func (p *Portal) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /portal/static/", p.renderer.Assets())
	mux.HandleFunc("GET /portal/accent.css", accent)
	mux.HandleFunc("GET "+manage.EnterPath, p.enter)
	mux.HandleFunc("GET /portal/live", p.live)
	mux.HandleFunc("/portal/", p.withSession(p.unknown))
	for pattern, h := range map[string]handler{
		"GET /portal/{$}":         p.reading(p.cards),
		"POST /portal/leave":      p.leave,
		"GET /portal/keys":        p.keys,
		"POST /portal/keys":       p.createKey,
		"GET /portal/audit":       p.reading(p.audit),
		"POST /portal/zapier/key": p.showZapierKey,

		"GET /portal/zapier/rotate":  p.askRotate,
		"POST /portal/zapier/rotate": p.rotate,

		"GET /portal/keys/{key}/revoke":  p.askRevoke,
		"POST /portal/keys/{key}/revoke": p.revoke,

		"GET /portal/webhooks/new":        p.newForm,
		"POST /portal/webhooks/new":       p.create,
		"POST /portal/webhooks/new/check": p.checkNew,

		"GET /portal/webhooks/{id}":             p.reading(p.log),
		"GET /portal/webhooks/{id}/edit":        p.editForm,
		"POST /portal/webhooks/{id}/edit":       p.edit,
		"POST /portal/webhooks/{id}/edit/check": p.checkEdit,
		"GET /portal/webhooks/{id}/delete":      p.askDelete,
		"POST /portal/webhooks/{id}/delete":     p.remove,
		"GET /portal/webhooks/{id}/enable":      p.askEnable,
		"POST /portal/webhooks/{id}/enable":     p.enable,
		"GET /portal/webhooks/{id}/test":        p.testForm,
		"POST /portal/webhooks/{id}/test":       p.test,
		"POST /portal/webhooks/{id}/preview":    p.preview,
		"GET /portal/webhooks/{id}/secret":      p.secret,
		"POST /portal/webhooks/{id}/secret":     p.showSecret,
		"GET /portal/webhooks/{id}/check":       p.checkForm,
		"POST /portal/webhooks/{id}/check":      p.checkSignature,
		"GET /portal/webhooks/{id}/recover":     p.recoverForm,
		"POST /portal/webhooks/{id}/recover":    p.recover,

		"GET /portal/webhooks/{id}/recoveries/{recovery}":            p.recovery,
		"POST /portal/webhooks/{id}/recoveries/{recovery}/cancel":    p.cancelRecovery,
		"GET /portal/webhooks/{id}/deliveries/{delivery}":            p.reading(p.delivery),
		"POST /portal/webhooks/{id}/deliveries/{delivery}/redeliver": p.redeliver,
	} {
		mux.HandleFunc(pattern, p.withSession(h))
	}
	return mux
}
