package story

import (
	"strings"
	"time"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

const limit = 3 // failures that disable

// hook returns a webhook with so many held events, none known when below 0.
func hook(id, name, url string, event webhook.Setting, held int64, health webhook.Health) manage.View {
	v := manage.View{Webhook: webhook.Webhook{
		ID: "wh_01jd9v7q6w3k8m5n2p4r6t8v" + id, OrganizationID: "acme", Name: name, Provider: webhook.Custom, URL: url, Event: event,
		Health: health, Version: 3, CreatedAt: clock().Now.Add(-40 * 24 * time.Hour),
	}}
	if held >= 0 {
		v.Held = &held
	}
	return v
}

func ago(d time.Duration) time.Time { return clock().Now.Add(-d) }

func failed(at time.Time, reason delivery.Reason, message string, code int) *webhook.Failure {
	return &webhook.Failure{At: at, Reason: string(reason), Message: message, StatusCode: code}
}

// day returns 24 hours of outcomes. Each pair is how many were sent and how
// many failed in the hours from the last one back.
func day(pairs ...[2]int64) []store.HourStats {
	hours := make([]store.HourStats, 24)
	for i := range hours {
		hours[i].Start = clock().Now.Truncate(time.Hour).Add(time.Duration(i-23) * time.Hour)
	}
	for i, p := range pairs {
		hours[23-i].Succeeded, hours[23-i].Failed = p[0], p[1]
	}
	return hours
}

func busy() []store.HourStats {
	return day([2]int64{38, 0}, [2]int64{61, 0}, [2]int64{52, 1}, [2]int64{12, 0}, [2]int64{3, 0}, [2]int64{1, 0}, [2]int64{0, 0}, [2]int64{0, 0},
		[2]int64{0, 0}, [2]int64{2, 0}, [2]int64{1, 0}, [2]int64{5, 0}, [2]int64{11, 0}, [2]int64{20, 0}, [2]int64{44, 0}, [2]int64{70, 2},
		[2]int64{83, 0}, [2]int64{78, 0}, [2]int64{59, 0}, [2]int64{66, 1}, [2]int64{74, 0}, [2]int64{81, 0}, [2]int64{60, 0}, [2]int64{41, 0})
}

func failing() []store.HourStats {
	return day([2]int64{0, 2}, [2]int64{22, 1}, [2]int64{35, 0}, [2]int64{31, 0}, [2]int64{4, 0}, [2]int64{0, 0}, [2]int64{0, 0}, [2]int64{0, 0},
		[2]int64{0, 0}, [2]int64{0, 0}, [2]int64{2, 0}, [2]int64{8, 0}, [2]int64{19, 0}, [2]int64{33, 0}, [2]int64{36, 0}, [2]int64{40, 4})
}

func card(v manage.View, hours []store.HourStats) view.Card {
	return view.CardOf(v, limit, hours, clock())
}

// active is a webhook that works.
func active() view.Card {
	return card(hook("0a", "CRM Call Sync", "https://crm.acme.example/hooks/dialnote", webhook.SendCallLogs, 0,
		webhook.Health{LastSentAt: ago(2 * time.Minute)}), busy())
}

// paused is the same one while its endpoint is in trouble.
func paused() view.Card {
	return card(hook("0a", "CRM Call Sync", "https://crm.acme.example/hooks/dialnote", webhook.SendCallLogs, 2, webhook.Health{
		FailureCount: 2, LastSentAt: ago(2 * time.Minute), HoldUntil: clock().Now.Add(4*time.Minute + 12*time.Second),
		LastError: failed(ago(48*time.Second), delivery.ReasonServerError, "Server answered 503 Service Unavailable", 503),
	}), busy())
}

func onHold() view.Card {
	return card(hook("0b", "Recording archive", "https://archive.acme.example/incoming", webhook.SendCallRecordings, 12, webhook.Health{
		FailureCount: 2, LastSentAt: ago(74 * time.Minute), HoldUntil: clock().Now.Add(4*time.Minute + 12*time.Second),
		LastError: failed(ago(48*time.Second), delivery.ReasonServerError, "Server answered 503 Service Unavailable", 503),
	}), failing())
}

func autoDisabled() view.Card {
	return card(hook("0c", "Lead Alerts", "https://alerts.acme.example/v2/leads", webhook.SendNotes, 1204, webhook.Health{
		FailureCount: 3, LastSentAt: ago(26 * time.Hour), AutoDisabled: webhook.DisabledForFailures,
		LastError: failed(ago(19*time.Hour), delivery.ReasonTLS, "The certificate expired on 22 November 2026", 0),
	}), day())
}

func disabled() view.Card {
	return card(hook("0d", "Old reporting", "https://reports.acme.example/dialnote", webhook.Disabled, 0, webhook.Health{
		LastSentAt: ago(9 * 24 * time.Hour),
	}), day())
}

func neverSent() view.Card {
	return card(hook("0e", "Zap: new calls to Sheets", "https://hooks.zapier.com/hooks/standard/18204/b7e1f0/", webhook.SendCallLogs, 0, webhook.Health{}), day())
}

func everyCard() []view.Card {
	zap := hook("0e", "Zap: new calls to Sheets", "https://hooks.zapier.com/hooks/standard/18204/b7e1f0/", webhook.SendCallLogs, 0, webhook.Health{})
	zap.Provider = webhook.Zapier
	suggests := hook("0f", "Calls to Sheets", "https://hooks.zapier.com/hooks/catch/18204/b7e1f0/", webhook.SendCallLogs, 0, webhook.Health{LastSentAt: ago(3 * time.Hour)})
	suggests.SuggestsZapier = true
	ordered := hook("0g", "Ledger", "https://ledger.acme.example/in-order", webhook.SendCallLogs, 0, webhook.Health{LastSentAt: ago(20 * time.Second)})
	ordered.OrderedFrom = 7
	return []view.Card{
		active(), onHold(), autoDisabled(), disabled(), card(zap, day()),
		card(hook("0h", "Ticketing", "https://tickets.acme.example/api/dialnote", webhook.SendNotes, 2, webhook.Health{
			FailureCount: 1, LastSentAt: ago(11 * time.Minute),
			LastError: failed(ago(3*time.Minute), delivery.ReasonClientError, "Server answered 404 Not Found", 404),
		}), failing()),
		card(hook("0i", "Warehouse", "https://warehouse.acme.example/events", webhook.SendCallRecordings, 1, webhook.Health{
			FailureCount: 1, HoldUntil: ago(time.Second),
			LastError: failed(ago(11*time.Second), delivery.ReasonTimeout, "No answer within 30 seconds", 0),
		}), day([2]int64{0, 1})),
		card(hook("0j", "Retired endpoint", "https://old.acme.example/webhook", webhook.SendCallLogs, 3, webhook.Health{
			FailureCount: 1, LastSentAt: ago(50 * 24 * time.Hour), AutoDisabled: webhook.DisabledAsGone,
			LastError: failed(ago(5*time.Hour), delivery.ReasonGone, "Server answered 410 Gone", 410),
		}), day()),
		card(hook("0k", "Recovered yesterday", "https://ok.acme.example/webhook", webhook.SendCallLogs, -1, webhook.Health{
			LastSentAt: ago(90 * time.Second),
			LastError:  failed(ago(21*time.Hour), delivery.ReasonDNS, "The address could not be found: ok.acme.example", 0),
		}), busy()),
		card(suggests, busy()), card(ordered, busy()),
	}
}

// hostile are webhooks with names and addresses that are chosen to break a page.
func hostile() []view.Card {
	return []view.Card{
		card(hook("1a", `<script>alert("xss")</script><img src=x onerror=alert(1)>`, "https://evil.example/?q=<script>alert(1)</script>&a=\"'", webhook.SendCallLogs, 0, webhook.Health{
			FailureCount: 1, LastError: failed(ago(time.Minute), delivery.ReasonClientError, `Server answered 400 <b onclick="alert(1)">Bad</b>`, 400),
		}), busy()),
		card(hook("1b", strings.Repeat("Wörterbuchstabenlänge", 5)[:100], "https://"+strings.Repeat("a-very-long-label.", 8)+"example/"+strings.Repeat("path", 30), webhook.SendCallRecordings, 0, webhook.Health{LastSentAt: ago(time.Hour)}), busy()),
		card(hook("1c", "\u202etxt.exe\u202c התראות על שיחות", "https://עברית.example/%E2%80%AE/hook", webhook.SendNotes, 0, webhook.Health{LastSentAt: ago(time.Hour)}), busy()),
		card(hook("1d", "📞🔔 👩‍💻👨‍👩‍👧‍👦 🇺🇳 Z̷̢̛a̸l̵g̶o̴", "https://emoji.example/"+strings.Repeat("x", 1900), webhook.SendCallLogs, 0, webhook.Health{LastSentAt: ago(time.Hour)}), busy()),
		card(hook("1e", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "https://wide.example/hook", webhook.SendCallLogs, 987654321, webhook.Health{FailureCount: 2, HoldUntil: clock().Now.Add(5 * time.Hour), LastSentAt: ago(time.Hour)}), busy()),
	}
}

func page(cards ...view.Card) view.Cards {
	c := view.Cards{Cards: cards, Any: len(cards) > 0, Most: 100, Events: view.EventSettings(), Here: "/portal/"}
	c.ManyOf(len(cards))
	return c
}

func cardStories() []Story {
	list := tab("webhooks")
	list.Live = "/portal/live"
	flash := list
	flash.Flash = &view.Flash{Text: "The webhook was deleted.", Tone: view.Good}
	shown := page(active(), neverSent())
	shown.Zapier = view.Zapier{Key: "dnk_3vXo7cJ2mQ9tB1sLw8Zr4Ey6Hn0Kd5Gf", Created: clock().Moment(ago(30 * 24 * time.Hour))}
	rotated := page(active())
	rotated.Zapier = view.Zapier{Key: "dnk_9tB1sLw8Zr4Ey6Hn0Kd5Gf3vXo7cJ2mQ", Created: clock().Moment(ago(2 * time.Second)), Rotated: true}
	away := page(active())
	away.Zapier = view.Zapier{Problem: "The key cannot be read at the moment. Try again."}
	full := page(active(), disabled())
	full.Full = true
	searched := page(onHold())
	searched.Searchable, searched.Search, searched.Matches = true, "archive", "1 of 11 webhooks matches “archive”."
	nothing := page()
	nothing.Any, nothing.Searchable, nothing.Search, nothing.Matches = true, true, "xyz", "No webhook matches “xyz”."
	return []Story{
		{Name: "list", Title: "Webhooks", Template: "cards", Frame: list, Body: page(active(), onHold(), autoDisabled(), disabled())},
		{Name: "cards", Title: "Every state of a card", Template: "cards", Frame: list, Body: page(everyCard()...)},
		{Name: "empty", Title: "No webhooks yet", Template: "cards", Frame: list, Body: page()},
		{Name: "hostile", Title: "Hostile names and addresses", Template: "cards", Frame: list, Body: page(hostile()...)},
		{Name: "flash", Title: "After an action", Template: "cards", Frame: flash, Body: page(active())},
		{Name: "zapier-key", Title: "Zapier key shown", Template: "cards", Frame: list, Body: shown},
		{Name: "zapier-rotated", Title: "Zapier key rotated", Template: "cards", Frame: list, Body: rotated},
		{Name: "zapier-problem", Title: "Zapier key cannot be read", Template: "cards", Frame: list, Body: away},
		{Name: "full", Title: "As many webhooks as can be", Template: "cards", Frame: list, Body: full},
		{Name: "search", Title: "Searched", Template: "cards", Frame: list, Body: searched},
		{Name: "search-nothing", Title: "Searched in vain", Template: "cards", Frame: list, Body: nothing},
	}
}
