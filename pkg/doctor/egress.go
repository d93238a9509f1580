package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/cli"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/resources"
)

// none is the target of an examination that sends nothing.
const none = "none"

// target is where a request is tried, nil for nowhere.
func (e *examination) target() *url.URL {
	if e.egress == none {
		return nil
	}
	u, err := url.Parse(cmp.Or(e.egress, "https://"+strings.TrimSuffix(e.settings.ZapierHosts[0], ":*")+"/"))
	if err != nil {
		return nil
	}
	return u
}

// unless returns the level of a failure that matters only to a service that sends.
func (e *examination) unless() Level {
	if e.service.Sends {
		return Fail
	}
	return Warn
}

// examineNames looks up the name of the target.
func (e *examination) examineNames(ctx context.Context) {
	u := e.target()
	if u == nil || net.ParseIP(u.Hostname()) != nil {
		return
	}
	began := time.Now()
	addresses, err := (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		e.report(Finding{e.unless(), "dns", fmt.Sprintf("%s cannot be resolved: %v", u.Hostname(), err), e.only("Look at /etc/resolv.conf and at what it names.")})
		return
	}
	e.report(judgeLookup(u.Hostname(), len(addresses), time.Since(began)))
}

func judgeLookup(name string, addresses int, took time.Duration) Finding {
	const slow = 2 * time.Second // a resolver that does not answer was asked first
	if took > slow {
		return Finding{Warn, "dns", fmt.Sprintf("looking up %s took %s", name, took.Round(time.Millisecond)), "One of the resolvers in /etc/resolv.conf does not answer."}
	}
	return ok("dns", "%s has %d addresses, found in %s", name, addresses, took.Round(time.Millisecond))
}

// only adds to an advice that it matters to senders, for others.
func (e *examination) only(do string) string {
	if e.service.Sends {
		return do
	}
	return do + " Only dispatchers send: when they run elsewhere, run their doctor there."
}

// examineEgress tries the address guard, and a request through it.
func (e *examination) examineEgress(ctx context.Context) {
	client, err := resources.NewSender(e.settings, cli.Version())
	if err != nil {
		e.report(Finding{Fail, "egress", err.Error(), "Correct the setting."})
		return
	}
	if !e.settings.AllowPrivateEndpoints {
		e.report(judgeGuard(client.Send(ctx, egress.Request{Method: http.MethodGet, URL: "https://127.0.0.1/"})))
	}
	if u := e.target(); u != nil {
		f := judgeRequest(u.Host, client.Send(ctx, egress.Request{Method: http.MethodGet, URL: u.String()}), e.unless())
		if f.Level > OK {
			f.Do = e.only(f.Do)
		}
		e.report(f)
	}
}

// judgeGuard judges the outcome of a request to this machine itself.
func judgeGuard(o delivery.Outcome) Finding {
	if o.Reason != delivery.ReasonBlockedAddress {
		return Finding{Fail, "egress", "a request to this machine itself was not stopped by the address guard", "Stop the dispatchers and tell us: this must not be possible."}
	}
	return ok("egress", "the address guard stops requests into this network")
}

// judgeRequest judges the outcome of a request to the target: any answer will do.
func judgeRequest(host string, o delivery.Outcome, failed Level) Finding {
	if o.StatusCode > 0 {
		return ok("egress", "%s answers, %d after %s", host, o.StatusCode, o.Phases.Total.Round(time.Millisecond))
	}
	do := "Does a firewall let this machine out, by TCP to ports 443, 8443 and above 1023?"
	switch o.Reason { //nolint:exhaustive // the others have nothing of their own to say
	case delivery.ReasonTLS:
		do = "Does this machine have the roots of certificates (ca-certificates), or does a proxy on the way open TLS (DIALNOTE_EXTRA_CA_FILE)?"
	case delivery.ReasonDNS:
		do = "Look at /etc/resolv.conf and at what it names."
	case delivery.ReasonBlockedAddress:
		do = "The name resolves into a private network: choose another address with -egress."
	}
	says := fmt.Sprintf("%s: %s", host, o.Message)
	if o.Cause != nil {
		says += " (" + o.Cause.Error() + ")"
	}
	return Finding{failed, "egress", says, do}
}
