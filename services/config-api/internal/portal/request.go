package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/dialnote/webhooks/pkg/access"
	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

const (
	// workTime bounds the work for one request, but for a test.
	workTime = 30 * time.Second

	// maxForm bounds what a form may send: a body to check is at most as large
	// as what is delivered.
	maxForm = 1 << 20
)

// request is one request with a session.
type request struct {
	session access.Session
	actor   audit.Actor
	org     string
	clock   view.Clock
	theme   view.Theme
	flash   string

	w http.ResponseWriter
	r *http.Request
}

// handler answers a request, or returns an error for it.
type handler func(req *request) error

// withSession calls h for a request with a session.
func (p *Portal) withSession(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), max(workTime, p.Service.TestTime()+time.Second))
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		theme := p.theme(w, r)
		req, err := p.begin(w, r, theme)
		if err == nil {
			err = h(req)
		}
		if err != nil {
			p.fail(w, r, theme, err)
		}
	}
}

// reading calls h for a request that has a place for reading, until it is answered.
func (p *Portal) reading(h handler) handler {
	return func(req *request) error {
		end, err := p.Reading.Begin(req.r.Context(), "page "+req.org)
		if err != nil {
			return err
		}
		defer end()
		return h(req)
	}
}

func (p *Portal) begin(w http.ResponseWriter, r *http.Request, theme view.Theme) (*request, error) {
	session, err := p.session(r)
	if err != nil {
		return nil, err
	}
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, fault.New(fault.TooLarge, "too-large", "That is too much to send at once.")
		}
		return nil, fault.New(fault.Malformed, "malformed", "The form could not be read. Go back and try again.").Because(err)
	}
	return &request{
		session: session, actor: audit.Person(session), org: session.OrganizationID,
		clock: view.Clock{Now: p.Now(), Zone: zone(r)}, theme: theme, flash: takeFlash(w, r), w: w, r: r,
	}, nil
}

// session returns the session of a request, or a fault of kind
// Unauthenticated.
func (p *Portal) session(r *http.Request) (access.Session, error) {
	text, ok := p.Cookies.Text(r)
	if !ok {
		return access.Session{}, fault.New(fault.Unauthenticated, "unauthenticated", "No session.")
	}
	session, err := p.Service.PortalSession(r.Context(), text)
	if err != nil {
		return access.Session{}, fmt.Errorf("find the session: %w", err)
	}
	return session, nil
}

// scripted reports whether a script asks for a part of the page.
func scripted(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// inDialog reports whether the answer goes into the dialog.
func inDialog(r *http.Request) bool { return r.Header.Get("HX-Target") == "dialog-body" }

// zone returns the time zone that the browser's script has noted, UTC without.
func zone(r *http.Request) *time.Location {
	cookie, err := r.Cookie("dialnote_zone")
	if err != nil {
		return time.UTC
	}
	name, err := url.QueryUnescape(cookie.Value)
	if err != nil || name == "" || name == "Local" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// page answers with the page whose content the named template makes of body.
func (p *Portal) page(req *request, status int, frame render.Frame, name string, body any) error {
	frame.Theme, frame.Embedders = req.theme, p.Embedders
	frame.Part = scripted(req.r)
	frame.Flash = flashOf(req.flash)
	frame.Organization, frame.Person = req.org, req.session.Person
	return p.write(req.w, req.r, status, frame, name, body)
}

func (p *Portal) write(w http.ResponseWriter, r *http.Request, status int, frame render.Frame, name string, body any) error {
	var page bytes.Buffer
	if err := p.renderer.Page(&page, frame, name, body); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", "HX-Request, HX-Target")
	p.writers.write(w, r, status, page.Bytes())
	return nil
}

// goOn redirects the browser to a page, which shows the message flash.
func goOn(req *request, path, flash string) error {
	giveFlash(req.w, req.r, flash)
	if scripted(req.r) {
		req.w.Header().Set("HX-Redirect", path)
		req.w.WriteHeader(http.StatusOK)
		return nil
	}
	http.Redirect(req.w, req.r, path, http.StatusSeeOther) //nolint:gosec // each path begins with /portal/
	return nil
}

// fail answers with a page that says what went wrong. The text of an unclassified
// error is only in the log.
func (p *Portal) fail(w http.ResponseWriter, r *http.Request, theme view.Theme, err error) {
	f := fault.Of(err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		f = fault.New(fault.Unavailable, "timed-out", "This took too long. Try again.")
	}
	status := p.StatusOf(f.Kind)
	if status >= http.StatusInternalServerError {
		p.Log.ErrorContext(r.Context(), "page request failed",
			slog.String("requestId", w.Header().Get("X-Request-Id")), slog.String("problem", f.Code), slog.Any("error", err))
	}
	frame, notice := noticeOf(f, w.Header().Get("X-Request-Id"))
	frame.Theme, frame.Embedders, frame.Part = theme, p.Embedders, scripted(r)
	if f.Kind == fault.Unauthenticated && scripted(r) && !inDialog(r) {
		// A script asked for a part of the page and the session has ended: reload the
		// whole page, which says so.
		w.Header().Set("HX-Refresh", "true")
	}
	if err := p.write(w, r, status, frame, "notice", notice); err != nil {
		p.Log.ErrorContext(r.Context(), "error page not rendered", slog.Any("error", err))
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
	}
}

// noticeOf returns what a page says of an error.
func noticeOf(f *fault.Error, requestID string) (render.Frame, view.Notice) {
	frame, n := render.Frame{Tab: "webhooks"}, view.Notice{Says: f.Detail, Back: true}
	switch f.Kind {
	case fault.Unauthenticated:
		frame.Tab, n.Back = "", false
		n.Title = "Open this page from dialnote"
		n.Says = "In dialnote, go to Settings → Webhooks. The page opens with your organization's webhooks. For your safety it closes after a working day."
	case fault.NotFound:
		n.Title = "There is nothing here"
		if f.Code == "webhook-not-found" {
			n.Title = "There is no such webhook"
			n.Says = "It may have been deleted meanwhile."
		}
	case fault.Internal:
		n.Title, n.RequestID = "Something went wrong on our side", requestID
		n.Says = "Try again in a moment. If it goes on, tell us the request below."
	case fault.Unavailable:
		n.Title, n.RequestID = "This does not work at the moment", requestID
	default:
		n.Title = "That was not possible"
	}
	frame.Title = n.Title
	return frame, n
}

// unknown answers for an unknown address.
func (p *Portal) unknown(*request) error {
	return fault.New(fault.NotFound, "not-found", "There is nothing at this address.")
}
