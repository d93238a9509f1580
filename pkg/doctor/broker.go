package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/resources"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

// examineBroker looks at NATS: its version, JetStream, the streams, the clock,
// and what this service may do there.
func (e *examination) examineBroker(ctx context.Context) {
	conn, err := stream.Connect(resources.NATS(e.settings, e.service.Name), silent())
	if err != nil {
		e.report(Finding{Fail, "nats", err.Error(), "Correct DIALNOTE_NATS_URL or the files of DIALNOTE_NATS_*."})
		return
	}
	defer conn.Close()
	found, err := resources.Wait(ctx, e.patience, func() (stream.Inspection, error) { return conn.Inspect(ctx) })
	if found.Version == "" {
		e.report(Finding{Fail, "nats", "not reached: " + operatorText(err), "Is it running, is DIALNOTE_NATS_URL right, do user, password and certificates fit?"})
		return
	}
	e.report(judgeVersion(found))
	if err != nil {
		e.report(Finding{Fail, "nats", operatorText(err), "Enable JetStream, for this account too, and allow this user what deploy/nats allows it."})
		return
	}
	e.report(judgeStorage(found))
	e.report(judgeEvents(found.Streams)...)
	e.report(judgeStreams(found, e.settings.StreamReplicas)...)
	e.report(judgeOwner(found.Owner, e.installation)...)
	if found.Precision > 0 {
		e.report(judgeClock("the NATS server's clock", found.Ahead, found.Precision))
	}
	refused, err := conn.Refused(ctx, e.service.Role)
	e.report(judgeRefused(refused, err))
}

func judgeVersion(i stream.Inspection) Finding {
	if i.TooOld {
		return Finding{Fail, "nats", "nats-server " + i.Version + " cannot schedule messages", "Upgrade nats-server to 2.12 or later."}
	}
	return ok("nats", "nats-server %s, %s", i.Version, plural(i.Servers, "server"))
}

func judgeStorage(i stream.Inspection) Finding {
	const gib = 1 << 30
	used := float64(i.Stored) / gib
	if i.StoreLimit <= 0 {
		return ok("nats", "%.1f GiB stored; the account has no limit of its own", used)
	}
	limit := float64(i.StoreLimit) / gib
	says := fmt.Sprintf("%.1f of %.1f GiB are used", used, limit)
	const do = "Raise the account's limit, or lower DIALNOTE_RETENTION: when it is full, no event is accepted."
	switch share := used / limit; {
	case share >= 0.95:
		return Finding{Fail, "nats", says, do}
	case share >= 0.8:
		return Finding{Warn, "nats", says, do}
	}
	return ok("nats", "%s", says)
}

// judgeEvents judges the bound of the events.
func judgeEvents(streams []stream.StreamHealth) []Finding {
	const gib = 1 << 30
	for _, s := range streams {
		used, limit := float64(s.Bytes)/gib, float64(s.Limit)/gib
		says := fmt.Sprintf("events take %.1f of %.1f GiB", used, limit)
		switch {
		case s.Name != proto.StreamEvents || s.Missing:
		case s.Limit == 0:
			return []Finding{{
				Warn, "nats", "the events have no bound: a full disk stops NATS until it is started again",
				"Set DIALNOTE_EVENTS_MAX_BYTES, or give the account a limit; docs/operating.md says how much.",
			}}
		case used >= 0.85*limit:
			return []Finding{{Warn, "nats", says, "See docs/runbooks/EventsNearlyFull.md: what is over is refused."}}
		default:
			return []Finding{ok("nats", "%s", says)}
		}
	}
	return nil
}

// judgeStreams judges the streams against the number of copies that the
// settings ask for.
func judgeStreams(i stream.Inspection, replicas int) []Finding {
	var findings []Finding
	missing := 0
	for _, s := range i.Streams {
		switch {
		case s.Missing:
			missing++
		case len(s.Lacking) > 0:
			findings = append(findings, Finding{
				Warn, "nats", fmt.Sprintf("%s: the copies on %s are offline or behind", s.Name, strings.Join(s.Lacking, ", ")),
				"Bring those servers back: until then the stream bears fewer losses.",
			})
		case s.Replicas != replicas:
			findings = append(findings, Finding{
				Warn, "nats", fmt.Sprintf("%s has %s, the setting asks for %d", s.Name, plural(s.Replicas, "copy"), replicas),
				"Restart the services, which change it; or is DIALNOTE_STREAM_REPLICAS not set alike everywhere?",
			})
		}
	}
	switch {
	case missing == len(i.Streams):
		findings = append(findings, Finding{Warn, "nats", "there are no streams yet", "The services make them when they start."})
	case missing > 0:
		findings = append(findings, Finding{Warn, "nats", plural(missing, "stream") + " missing", "The services make them when they start: restart one."})
	case i.Gone != "":
		findings = append(findings, Finding{Fail, "nats", "the " + i.Gone + " is missing: no event is delivered", "The services make it again within seconds: does one run, and may its user?"})
	default:
		findings = append(findings, ok("nats", "%s; %s for the dispatchers", plural(len(i.Streams), "stream"), plural(int(min(i.Waiting, 1<<53)), "event")+" waiting"))
	}
	if i.Servers >= 3 && replicas == 1 {
		findings = append(findings, Finding{
			Warn, "nats", "the cluster has several servers, and each stream lives on one of them", "Set DIALNOTE_STREAM_REPLICAS=3.",
		})
	}
	return findings
}

// judgeOwner judges whose the streams are; both ids are "" when they are not known.
func judgeOwner(owner, installation string) []Finding {
	if owner == "" || installation == "" || owner == installation {
		return nil
	}
	return []Finding{{
		Fail, "nats", "the streams belong to another installation (" + owner + "; this database's is " + installation + ")",
		`Give this one a NATS server or an account of its own; or run "config-api adopt" when its database replaces the other one's.`,
	}}
}

func judgeRefused(refused []string, err error) Finding {
	switch {
	case fault.Is(err, fault.Unavailable), err != nil:
		return Finding{Fail, "nats", "what this user may do could not be tried: " + operatorText(err), "Run this again."}
	case len(refused) > 0:
		return Finding{
			Fail, "nats", "this user may not " + strings.Join(refused, ", nor "),
			"Give it the permissions that deploy/nats/nats-server.conf has for this service.",
		}
	}
	return ok("nats", "this user may do what the service does")
}

func plural(n int, word string) string {
	switch {
	case n == 1:
		return "1 " + word
	case strings.HasSuffix(word, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(word, "y"))
	}
	return fmt.Sprintf("%d %ss", n, word)
}
