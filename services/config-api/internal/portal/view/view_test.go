package view_test

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/proto/receivers"
	"github.com/dialnote/webhooks/services/config-api/internal/manage"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

func clock() view.Clock {
	return view.Clock{Now: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC), Zone: time.UTC}
}

func TestRelativeTimes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for away, want := range map[time.Duration]string{
		0: "just now", -4999 * time.Millisecond: "just now", 4 * time.Second: "in a moment",
		-5 * time.Second: "5 seconds ago", -59 * time.Second: "59 seconds ago", -time.Minute: "1 minute ago",
		-59 * time.Minute: "59 minutes ago", -time.Hour: "1 hour ago", -day + time.Second: "23 hours ago", -day: "1 day ago",
		-44 * day: "44 days ago", -45 * day: "1 month ago", -364 * day: "12 months ago", -365 * day: "1 year ago", -800 * day: "2 years ago",
		4*time.Minute + 59*time.Second: "in 4 minutes",
	} {
		if got := clock().Moment(clock().Now.Add(away)).Relative; got != want {
			t.Errorf("%v: %q, want %q", away, got, want)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	m := view.Clock{Now: clock().Now, Zone: berlin}.Moment(clock().Now)
	if m.Exact != "23 November 2026 at 11:30:00 CET" || m.ISO != "2026-11-23T10:30:00.000Z" || m.Short != "11:30:00" {
		t.Errorf("in Berlin %+v", m)
	}
	if clock().Moment(time.Time{}).Known() {
		t.Error("the zero time is known")
	}
	for left, want := range map[time.Duration]string{
		-time.Second: "", 499 * time.Millisecond: "", time.Second: "1 s", 59 * time.Second: "59 s", 60 * time.Second: "1 min 0 s",
		4*time.Minute + 12*time.Second: "4 min 12 s", 5 * time.Hour: "5 h 0 min",
	} {
		if got := clock().Countdown(clock().Now.Add(left)); got != want {
			t.Errorf("countdown of %v: %q, want %q", left, got, want)
		}
	}
	for took, want := range map[time.Duration]string{
		0: "0 ms", time.Microsecond: "under 1 ms", 84 * time.Millisecond: "84 ms", 1240 * time.Millisecond: "1.2 s", 30 * time.Second: "30 s",
	} {
		if got := view.Took(took); got != want {
			t.Errorf("took %v: %q, want %q", took, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1204: "-1,204"} {
		if got := view.Count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if view.Plural(1, "event") != "1 event" || view.Plural(0, "event") != "0 events" || view.Plural(2, "delivery") != "2 deliveries" {
		t.Error("plurals are wrong")
	}
}

// The words are those of the help page.
func TestWordsOfTheHelpPage(t *testing.T) {
	t.Parallel()
	var labels, fires []string
	for _, s := range view.EventSettings() {
		labels, fires = append(labels, s.Label), append(fires, s.Fires)
	}
	if !slices.Equal(labels, []string{"Send call logs", "Send call recordings", "Send notes", "Disabled"}) {
		t.Errorf("labels %q", labels)
	}
	if !slices.Equal(fires, []string{
		"A call ends — payload includes duration, direction, and status",
		"A call recording is ready — payload includes the recording URL",
		"A team member adds a note to a conversation",
		"Nothing is sent (handy for pausing a webhook without deleting it)",
	}) {
		t.Errorf("descriptions %q", fires)
	}
	if view.ProviderLabel(webhook.Zapier) != "Zapier" || view.ProviderLabel(webhook.Custom) != "Custom Webhook" {
		t.Error("providers are wrong")
	}
	for _, s := range webhook.Settings() {
		if view.SettingLabel(s) == string(s) {
			t.Errorf("%s has no label", s)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	all := []delivery.Reason{
		delivery.ReasonDNS, delivery.ReasonConnect, delivery.ReasonTLS, delivery.ReasonTimeout, delivery.ReasonReset, delivery.ReasonRedirect,
		delivery.ReasonClientError, delivery.ReasonRateLimited, delivery.ReasonServerError, delivery.ReasonGone, delivery.ReasonBlockedAddress,
		delivery.ReasonProtocol, delivery.ReasonInternal,
	}
	if len(view.Explanations()) != len(all) {
		t.Errorf("%d explanations of %d reasons", len(view.Explanations()), len(all))
	}
	for _, r := range all {
		if e := view.Explain(r); e.Title == "" || e.Means == "" || len(e.Do) == 0 {
			t.Errorf("%s is not explained", r)
		}
	}
	if view.Explain("").Title != "" {
		t.Error("no reason is explained")
	}
}

func TestEveryActionHasAName(t *testing.T) {
	t.Parallel()
	for _, a := range audit.Actions() {
		if view.ActionLabel(a) == string(a) {
			t.Errorf("%s has no name", a)
		}
	}
}

func TestCards(t *testing.T) {
	t.Parallel()
	at := clock().Now
	held, none := int64(1204), int64(0)
	last := &webhook.Failure{At: at.Add(-time.Minute), Reason: "server_error", Message: "Server answered 503 Service Unavailable"}
	for name, c := range map[string]struct {
		event  webhook.Setting
		health webhook.Health
		badge  view.Badge
		next   string
		check  func(view.Card) bool
	}{
		"new":          {webhook.SendNotes, webhook.Health{}, view.Badge{Text: "Active", Tone: view.Good}, "When each is due", func(c view.Card) bool { return c.CanTest && !c.CanEnable && !c.LastSent.Known() && c.Error == nil }},
		"works":        {webhook.SendNotes, webhook.Health{LastSentAt: at}, view.Badge{Text: "Active", Tone: view.Good}, "When each is due", func(c view.Card) bool { return c.Says == "" }},
		"worked again": {webhook.SendNotes, webhook.Health{LastSentAt: at, LastError: last}, view.Badge{Text: "Active", Tone: view.Good}, "When each is due", func(c view.Card) bool { return c.Error.Past && c.Error.Why.Title != "" }},
		"refused": {webhook.SendNotes, webhook.Health{FailureCount: 1, LastSentAt: at.Add(-time.Hour), LastError: last}, view.Badge{Text: "Failing", Tone: view.Waiting}, "When each is due", func(c view.Card) bool {
			return !c.Error.Past && c.Failures.Text == "1 of 3" && strings.Contains(c.Says, "each event at its own time")
		}},
		"a test failed": {webhook.SendNotes, webhook.Health{LastSentAt: at.Add(-time.Hour), LastError: last}, view.Badge{Text: "Active", Tone: view.Good}, "When each is due", func(c view.Card) bool { return !c.Error.Past }},
		"on hold": {webhook.SendNotes, webhook.Health{FailureCount: 2, HoldUntil: at.Add(252 * time.Second), LastError: last}, view.Badge{Text: "On hold", Tone: view.Waiting}, "in 4 min 12 s", func(c view.Card) bool {
			return c.Next.Count && slices.Equal(c.Failures.Pips, []bool{true, true, false})
		}},
		"probing": {webhook.SendNotes, webhook.Health{FailureCount: 2, HoldUntil: at}, view.Badge{Text: "On hold", Tone: view.Waiting}, "Now", func(c view.Card) bool { return !c.Next.Count }},
		"failed": {webhook.SendNotes, webhook.Health{FailureCount: 3, AutoDisabled: webhook.DisabledForFailures, LastError: last}, view.Badge{Text: "Disabled automatically", Tone: view.Bad}, "After Enable", func(c view.Card) bool {
			return c.CanEnable && !c.CanTest && strings.Contains(c.Says, "3 times in a row")
		}},
		"enabled again":    {webhook.SendNotes, webhook.Health{LastError: last}, view.Badge{Text: "Active", Tone: view.Good}, "When each is due", func(c view.Card) bool { return c.Says == "" && !c.Error.Past }},
		"gone":             {webhook.SendNotes, webhook.Health{FailureCount: 1, AutoDisabled: webhook.DisabledAsGone}, view.Badge{Text: "Disabled automatically", Tone: view.Bad}, "After Enable", func(c view.Card) bool { return strings.Contains(c.Says, "410 Gone") }},
		"disabled":         {webhook.Disabled, webhook.Health{}, view.Badge{Text: "Disabled", Tone: view.Quiet}, "None", func(c view.Card) bool { return !c.CanTest && !c.CanEnable && !c.CanRecover }},
		"disabled, failed": {webhook.Disabled, webhook.Health{AutoDisabled: webhook.DisabledForFailures}, view.Badge{Text: "Disabled", Tone: view.Quiet}, "None", func(c view.Card) bool { return !c.CanEnable }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := manage.View{Webhook: webhook.Webhook{ID: "wh_1", Name: "CRM", Event: c.event, Health: c.health}, Held: &held}
			card := view.CardOf(v, 3, nil, clock())
			if card.Badge != c.badge || card.Next.Text != c.next || !c.check(card) {
				t.Errorf("the card is %+v", card)
			}
			label := "Held events"
			if c.badge.Text == "Active" || c.badge.Text == "Failing" {
				label = "Waiting events" // for their own retry, or their turn: nothing holds them
			}
			if want := (view.Held{Label: label, Text: "1,204 events", Any: true}); card.Held != want {
				t.Errorf("held %+v, want %+v", card.Held, want)
			}
			v.Held = &none
			card = view.CardOf(v, 3, nil, clock())
			if want := (view.Held{Label: "Held events", Text: "None"}); card.Held != want || card.Badge != c.badge {
				t.Errorf("with nothing that waits the card is %+v", card)
			}
			if idle := label == "Waiting events"; idle != (card.Next.Text == "As events happen") || strings.Contains(card.Says, "at its own time") {
				t.Errorf("with nothing that waits it says %q, next attempt %q", card.Says, card.Next.Text)
			}
		})
	}
	if card := view.CardOf(manage.View{}, 3, nil, clock()); card.Held != (view.Held{Label: "Held events", Text: "Not known at the moment"}) {
		t.Errorf("held %+v", card.Held)
	}
}

// What a delivery waits for is said by its webhook as it is now, not by the log
// as it was then.
func TestRowsOfWhatWaits(t *testing.T) {
	t.Parallel()
	at := clock().Now
	const paused, refused = "Held: the webhook is paused.", "Server answered 503 Service Unavailable"
	for name, c := range map[string]struct {
		health webhook.Health
		d      store.LoggedDelivery
		note   string
		next   time.Duration // from now on, 0 for none
	}{
		"held on hold":              {webhook.Health{FailureCount: 1, HoldUntil: at.Add(time.Minute)}, store.LoggedDelivery{Status: delivery.StatusHeld, Message: paused, NextAt: at.Add(-time.Minute)}, paused, time.Minute},
		"held, the hold is over":    {webhook.Health{FailureCount: 1, HoldUntil: at}, store.LoggedDelivery{Status: delivery.StatusHeld, Message: paused, NextAt: at}, paused, 0},
		"held, on its way":          {webhook.Health{}, store.LoggedDelivery{Status: delivery.StatusHeld, Message: paused, NextAt: at.Add(time.Minute)}, paused, 0},
		"held, disabled meanwhile":  {webhook.Health{AutoDisabled: webhook.DisabledForFailures}, store.LoggedDelivery{Status: delivery.StatusHeld, Message: paused, NextAt: at.Add(time.Minute)}, "Held: the webhook was disabled automatically. Enable it to deliver this event.", 0},
		"failed last":               {webhook.Health{AutoDisabled: webhook.DisabledForFailures}, store.LoggedDelivery{Status: delivery.StatusHeld, Reason: delivery.ReasonServerError, Message: refused, Attempts: 3}, refused, 0},
		"retrying":                  {webhook.Health{FailureCount: 1}, store.LoggedDelivery{Status: delivery.StatusRetrying, Message: refused, NextAt: at.Add(time.Hour), Attempts: 1}, refused, time.Hour},
		"retrying, disabled since":  {webhook.Health{AutoDisabled: webhook.DisabledForFailures}, store.LoggedDelivery{Status: delivery.StatusRetrying, Reason: delivery.ReasonServerError, Message: refused, NextAt: at.Add(time.Minute), Attempts: 1}, refused, 0},
		"retrying on a longer hold": {webhook.Health{FailureCount: 2, HoldUntil: at.Add(2 * time.Hour)}, store.LoggedDelivery{Status: delivery.StatusRetrying, Message: refused, NextAt: at.Add(time.Hour), Attempts: 1}, refused, 2 * time.Hour},
		"delivered":                 {webhook.Health{FailureCount: 1, HoldUntil: at.Add(time.Minute)}, store.LoggedDelivery{Status: delivery.StatusDelivered, NextAt: at.Add(time.Minute), Attempts: 1}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			card := view.CardOf(manage.View{Webhook: webhook.Webhook{Event: webhook.SendNotes, Health: c.health}}, 3, nil, clock())
			row := view.RowOf(c.d, card, clock())
			want := view.Moment{}
			if c.next != 0 {
				want = clock().Moment(at.Add(c.next))
			}
			if row.Note != c.note || row.Next != want {
				t.Errorf("it says %q, next %+v", row.Note, row.Next)
			}
			if stands := c.health.AutoDisabled != ""; stands && row.Badge != view.DeliveryBadge(delivery.StatusHeld) || !stands && row.Badge != view.DeliveryBadge(c.d.Status) {
				t.Errorf("it is %+v", row.Badge)
			}
		})
	}
}

func TestCharts(t *testing.T) {
	t.Parallel()
	hours := []store.HourStats{{Start: clock().Now}, {Start: clock().Now, Succeeded: 10_000, Failed: 1}, {Start: clock().Now, Failed: 5000}, {Start: clock().Now, Succeeded: 1}}
	c := view.ChartOf(hours)
	if c.Width != 38 || c.Height != 40 || c.Empty || c.Summary != "10,001 sent, 5,001 failed in 24 hours" {
		t.Errorf("the chart is %+v", c)
	}
	// One failure among thousands, and one event, are seen too; nothing stands out.
	if want := "M0 40V40h9V3h10V40h10V37h10V40z"; c.Sent != want {
		t.Errorf("sent %s, want %s", c.Sent, want)
	}
	if want := "M14 3v-3M24 40v-19"; c.Failed != want {
		t.Errorf("failed %s, want %s", c.Failed, want)
	}
	if c := view.ChartOf(make([]store.HourStats, 24)); !c.Empty || c.Sent+c.Failed != "" || c.Summary != "Nothing sent in the last 24 hours" {
		t.Errorf("of nothing: %+v", c)
	}
}

func TestCodeBeginsWithCode(t *testing.T) {
	t.Parallel()
	list := view.LanguagesOf([]receivers.Example{
		{Language: "Python", Verification: "# A receiver\n#\n#   python3 receiver.py\nimport hmac\n\n# Keyed by\n"},
		{Language: "PHP", Verification: "<?php\n// A receiver\n\nconst A = 1; // more\n"},
		{Language: "Go", Source: "// A receiver\npackage main\n"},
	})
	if list[0].Verification != "import hmac\n\n# Keyed by\n" || list[1].Verification != "<?php\n\nconst A = 1; // more\n" || list[2].Source != "// A receiver\npackage main\n" {
		t.Errorf("%q", list)
	}
}

func TestCurlIsOneCommandWhateverIsInIt(t *testing.T) {
	t.Parallel()
	got := view.Curl(delivery.Request{URL: "https://a.example/?q='; rm -rf ~ #", Header: map[string][]string{"X-B": {"$(id)"}, "x-a": {"`id`"}}, Body: []byte(`{"a":"it's"}`)})
	want := `curl -X POST 'https://a.example/?q='\''; rm -rf ~ #' \
  --globoff --path-as-is \
  -H 'x-a: ` + "`id`" + `' \
  -H 'X-B: $(id)' \
  --data-binary '{"a":"it'\''s"}'`
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	b := view.BodyOf([]byte(`{"a":1e400,"a":2}`), false)
	if b.Exact != `{"a":1e400,"a":2}` || b.Shown != "{\n  \"a\": 1e400,\n  \"a\": 2\n}" || !b.JSON {
		t.Errorf("JSON %+v", b)
	}
	if b := view.BodyOf([]byte("{\"a\":1"), true); b.JSON || !b.Cut || b.Shown != b.Exact {
		t.Errorf("cut %+v", b)
	}
	if b := view.BodyOf([]byte("\xff<b>"), false); b.Shown != "\uFFFD<b>" || b.Size != "4 bytes" {
		t.Errorf("no UTF-8 %+v", b)
	}
}

func TestAnAnswerThatIsNoText(t *testing.T) {
	t.Parallel()
	answer := func(r delivery.Response) *view.Answer {
		e := manage.EntryView{LoggedAttempt: store.LoggedAttempt{Attempt: delivery.Attempt{Number: 1, Outcome: delivery.Outcome{StatusCode: 200, Response: r}}}}
		return view.DeliveryOf(manage.DeliveryView{Entries: []manage.EntryView{e}}, view.Card{}, view.Clock{Zone: time.UTC}).Attempts[0].Answer
	}
	a := answer(delivery.Response{Body: []byte("\x8b\x02\x80ok\x03"), Encoding: "br", HeaderTruncated: true})
	if b := a.Body; !b.Binary || b.Encoding != "br" || b.Exact != "iwKAb2sD" || b.Shown != "00000000  8b 02 80 6f 6b 03                                 |...ok.|\n" || b.Size != "6 bytes" || !a.HeadersCut {
		t.Errorf("packed %+v, headers cut %t", b, a.HeadersCut)
	}
	a = answer(delivery.Response{Body: []byte(`{"a":1}`), Encoding: "gzip"})
	if b := a.Body; b.Binary || b.Encoding != "gzip" || b.Exact != `{"a":1}` || !b.JSON || a.HeadersCut {
		t.Errorf("plain text that says gzip: %+v", b)
	}
}

func TestAForm(t *testing.T) {
	t.Parallel()
	f := view.FormOf(view.Entered{
		Name: "x", Event: "note.created", Headers: []view.EnteredHeader{{Name: "a/b", Value: "1"}},
	}, []fault.Field{
		{Pointer: "/name", Detail: "name is too long."},
		{Pointer: "/headers/a~1b", Detail: "a/b is no name of a header."},
		{Pointer: "/other", Detail: "other is wrong."},
	})
	if !f.Wrong() || f.Name.Error != "The name is too long." || f.Headers[0].Error != "A/b is no name of a header." || f.Problem != "Other is wrong." {
		t.Errorf("the form is %+v", f)
	}
	if !f.Choices[2].Chosen || len(f.Headers) != 3 || !f.More {
		t.Errorf("the form is %+v", f)
	}
	if view.NewForm().Wrong() || view.NewForm().Choices[0].Value != "call.completed" {
		t.Error("a new form is wrong")
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("CET", 3600)
	f, s := view.ReadFilter(url.Values{
		"status": {"failed"}, "type": {"note.created"}, "since": {"2026-11-01T09:00"}, "until": {"2026-11-02T09:00:30Z"},
		"event": {" evt_1 "}, "delivery": {"dlv_1"}, "error": {"503"},
	}, view.Clock{Now: clock().Now, Zone: berlin})
	if f.Problem != "" || !f.Active || !f.Open || s.Status != delivery.StatusFailed || s.EventType != "note.created" || s.EventID != "evt_1" ||
		s.DeliveryID != "dlv_1" || s.Message != "503" || !s.Since.Equal(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)) ||
		!s.Until.Equal(time.Date(2026, 11, 2, 9, 0, 30, 0, time.UTC)) {
		t.Errorf("%+v, %+v", f, s)
	}
	if _, s := view.ReadFilter(url.Values{"within": {"24h"}}, clock()); !s.Since.Equal(clock().Now.Add(-24 * time.Hour)) {
		t.Errorf("since %v", s.Since)
	}
	if f, s := view.ReadFilter(nil, clock()); f.Active || s != (store.DeliveryFilter{}) {
		t.Errorf("%+v", s)
	}
	for _, bad := range []url.Values{{"status": {"x"}}, {"type": {"x"}}, {"since": {"x"}}, {"until": {"2026-13-01T00:00"}}, {"since": {"2026-11-02T00:00"}, "until": {"2026-11-01T00:00"}}} {
		if f, _ := view.ReadFilter(bad, clock()); f.Problem == "" {
			t.Errorf("%v is understood", bad)
		}
	}
	if view.Days(168*time.Hour) != "7 days" || view.Days(36*time.Hour) != "36 hours" || view.Days(24*time.Hour) != "1 day" {
		t.Error("days are wrong")
	}
}

func TestEveryVerdictIsExplained(t *testing.T) {
	t.Parallel()
	titles := make(map[string]bool)
	verdicts := []signature.Verdict{
		signature.Matches, signature.TooOld, signature.TooNew, signature.NoTime, signature.BadForm, signature.Prefix, signature.Encoding, signature.Scheming,
		signature.HalfKey, signature.WholeKey, signature.WhiteSpace, signature.Reserialised, signature.ChangedBytes, signature.OtherKey, signature.UnknownKey, signature.Differs,
	}
	for _, v := range verdicts {
		f := view.FindingsOf([]signature.Diagnosis{{Scheme: signature.SchemeDialNote, Verdict: v}}, []byte("abcX"), []byte("abcY"))[0]
		if f.Title == "" || f.Says == "" || v != signature.Matches && len(f.Do) == 0 {
			t.Errorf("%s is not explained", v)
		}
		titles[f.Title] = true
		if differs := v == signature.ChangedBytes || v == signature.Reserialised; differs != (f.Want == "abcY") || differs != (f.Given == "abcX") {
			t.Errorf("%s shows %q and %q", v, f.Want, f.Given)
		}
	}
	if len(titles) != len(verdicts) {
		t.Errorf("%d titles for %d verdicts", len(titles), len(verdicts))
	}
}

func TestWhatIsPasted(t *testing.T) {
	t.Parallel()
	for _, headers := range []string{
		"sha256=abc", "X-DialNote-Signature: sha256=abc", "  x-dialnote-signature:sha256=abc\r\nOther: x", `"X-DialNote-Signature": "sha256=abc",`, "{\n  'x-dialnote-signature': 'sha256=abc',\n}",
	} {
		if r := view.ReadReceived(headers, "a\r\nb"); r.DialNote != "sha256=abc" || string(r.Body) != "a\nb" {
			t.Errorf("%q: %+v", headers, r)
		}
	}
	r := view.ReadReceived("webhook-id: evt_1\r\nWebhook-Timestamp: 17\nwebhook-signature: v1,abc v1,def", "")
	if r.Standard != (signature.StandardHeaders{ID: "evt_1", Timestamp: "17", Signature: "v1,abc v1,def"}) || r.DialNote != "" {
		t.Errorf("%+v", r)
	}
}

func TestThemes(t *testing.T) {
	t.Parallel()
	for accent, want := range map[string]string{
		"7c3aed": "7c3aed", "#7C3AED": "7c3aed", "": "", "7c3ae": "", "7c3aedf": "", "7c3aeg": "", "red": "", "+1+1+1": "", "0x0x0x": "",
	} {
		if got := view.ParseTheme("blue", accent); got.Accent != want || got.Scheme != "" {
			t.Errorf("%q: %+v", accent, got)
		}
	}
	if view.ThemeOf("dark-7c3aed") != (view.Theme{Scheme: "dark", Accent: "7c3aed"}) || view.ThemeOf("") != (view.Theme{}) {
		t.Error("a theme is not kept")
	}
	for _, accent := range []string{"000000", "ffffff", "ffff00", "7c3aed", "00ff88"} {
		css := view.ParseTheme("", accent).StyleSheet()
		if !strings.HasPrefix(css, ":root{--accent:light-dark(#") || strings.Count(css, "#") != 4 || strings.Count(css, "}") != 1 {
			t.Errorf("%s makes %q", accent, css)
		}
	}
}

// Each cURL command has the whole payload, so that a page has them of the newest
// attempts only when it is large.
func TestAPageHasCommandsOfABoundedSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{100: 100, 60 << 10: 4, 300 << 10: 1} {
		entries := make([]manage.EntryView, 100)
		for i := range entries {
			entries[i].Number = len(entries) - i
			entries[i].Request = &delivery.Request{URL: "https://a.example/", Body: bytes.Repeat([]byte("x"), size)}
		}
		shown := 0
		for i, a := range view.DeliveryOf(manage.DeliveryView{Entries: entries}, view.Card{}, view.Clock{Zone: time.UTC}).Attempts {
			if a.Curl != "" {
				shown++
			}
			if a.Curl == "" && i < want {
				t.Errorf("of %d bytes: attempt %d has none", size, i)
			}
		}
		if shown != want {
			t.Errorf("of %d bytes: %d commands, want %d", size, shown, want)
		}
	}
}
