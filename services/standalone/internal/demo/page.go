package demo

import (
	"context"
	"log/slog"
	"net/http"
)

// PagePath is where the demo opens the settings page, each time by a new link:
// one that is printed would open only once, and not for long.
const PagePath = "/page"

// Person is the demo's customer, as the audit log names them.
const Person = "Dana Whitfield"

// PageURL returns the address that opens the settings page.
func (d *Demo) PageURL() string { return d.URL() + PagePath }

// openPage sends a browser to the settings page.
func (d *Demo) openPage(w http.ResponseWriter, r *http.Request) {
	link, err := d.client.portalLink(r.Context(), Person)
	if err != nil {
		d.log.Warn("demo: settings page not opened", slog.Any("error", err))
		http.Error(w, "The page cannot be opened at the moment.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, link, http.StatusSeeOther)
}

// portalLink returns a link to the organization's settings page.
func (c *client) portalLink(ctx context.Context, person string) (string, error) {
	var link struct {
		URL string `json:"url"`
	}
	err := c.do(ctx, http.MethodPost, "/portal-links", map[string]string{"actor": person}, &link)
	return link.URL, err
}
