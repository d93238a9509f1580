package webhook

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
)

// Rules are the operator's choices among the rules of a webhook's fields.
type Rules struct {
	// ZapierHosts are the hosts that a URL with the provider Zapier may have,
	// in lower case (specification, section 2): "host" on port 443 only, since
	// we make a request there when the webhook is deleted; "host:port" on another;
	// "host:*" on each.
	ZapierHosts []string

	// CheckURL says whether a URL may be saved, from its text only. Its error is
	// a *fault.Error of kind Invalid that points at /url.
	CheckURL func(raw string) error
}

// fields checks what a person can set of w and returns every wrong field, in
// the order of the form.
func (r Rules) fields(w Webhook) []fault.Field {
	var wrong []fault.Field
	wrong = append(wrong, CheckName("name", w.Name)...)
	wrong = append(wrong, checkProvider(w.Provider)...)
	wrong = append(wrong, r.checkURL(w)...)
	wrong = append(wrong, checkEvent(w.Event)...)
	return wrong
}

func checkProvider(p Provider) []fault.Field {
	if p == Custom || p == Zapier {
		return nil
	}
	return field("/provider", "provider must be custom or zapier.")
}

func checkEvent(s Setting) []fault.Field {
	if slices.Contains(Settings(), s) {
		return nil
	}
	return field("/event", "event must be one of call.completed, recording.completed, note.created or disabled.")
}

func (r Rules) checkURL(w Webhook) []fault.Field {
	if err := r.CheckURL(w.URL); err != nil {
		e := fault.Of(err)
		if len(e.Fields) > 0 {
			return e.Fields
		}
		return field("/url", e.Detail)
	}
	if w.Provider == Zapier && !r.atZapier(w.URL) {
		return field("/url", fmt.Sprintf("url must be at %s for the provider Zapier. For another host or port choose a custom webhook.",
			strings.Join(r.ZapierHosts, " or ")))
	}
	return nil
}

// atZapier reports whether a URL's host and port are those of a Zapier host.
func (r Rules) atZapier(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	host, port := strings.ToLower(u.Hostname()), cmp.Or(u.Port(), "443")
	if u.Scheme == "http" {
		port = cmp.Or(u.Port(), "80")
	}
	return port == "443" && slices.Contains(r.ZapierHosts, host) ||
		slices.Contains(r.ZapierHosts, net.JoinHostPort(host, port)) || slices.Contains(r.ZapierHosts, net.JoinHostPort(host, "*"))
}

// SuggestsZapier reports whether w is a custom webhook at a Zapier host, which
// is offered the Zapier provider. It works as it is.
func (r Rules) SuggestsZapier(w Webhook) bool {
	return w.Provider == Custom && r.atZapier(w.URL)
}

func field(pointer, detail string) []fault.Field {
	return []fault.Field{{Pointer: pointer, Detail: detail}}
}
