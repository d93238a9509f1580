package story

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/webhook"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// The first load is the page and all that it names, compressed as a browser
// takes it. A hundred busy webhooks of which none is like another weigh most:
// what repeats compresses well. A browser test weighs the real page; this one
// has a day behind it in every card.
func TestAHundredBusyWebhooksAreAFirstLoadOf60kB(t *testing.T) {
	t.Parallel()
	book, err := NewBook(Policy)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) *bytes.Buffer {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
		w := httptest.NewRecorder()
		book.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != "br" {
			t.Fatalf("%s answered %d, encoded as %q", path, w.Code, w.Header().Get("Content-Encoding"))
		}
		return w.Body
	}
	var page bytes.Buffer
	if err := book.renderer.Page(&page, tab("webhooks"), "cards", hundred()); err != nil {
		t.Fatal(err)
	}
	var onTheWire bytes.Buffer
	w := brotli.NewWriterLevel(&onTheWire, render.BrotliLevel)
	_, _ = w.Write(page.Bytes())
	_ = w.Close()
	sum := onTheWire.Len()
	t.Logf("%6d bytes of %d, the page", sum, page.Len())
	assets := regexp.MustCompile(`(?:src|href)="(/portal/static/[^"]+)"`).FindAllStringSubmatch(page.String(), -1)
	assets = append(assets, []string{"", "/portal/static/words.js"}) // which page.js names
	for _, asset := range assets {
		n := ask(asset[1]).Len()
		t.Logf("%6d bytes  %s", n, asset[1])
		sum += n
	}
	const header = 900 // of each answer, and of the link's that leads to the page
	if sum += header * (len(assets) + 2); sum >= 60_000 {
		t.Errorf("the first load is %d bytes", sum)
	}
	t.Logf("%6d bytes in all", sum)
}

// hundred returns cards that differ in everything: names, addresses, each
// hour's numbers.
func hundred() view.Cards {
	dice := rand.New(rand.NewPCG(1, 2)) // the same cards each time
	reasons := []delivery.Reason{delivery.ReasonServerError, delivery.ReasonTimeout, delivery.ReasonClientError, delivery.ReasonTLS}
	lately := func() time.Time { return ago(time.Duration(dice.Int64N(int64(time.Hour)))) }
	var cards []view.Card
	for i := range 100 {
		pairs := make([][2]int64, 24)
		for hour := range pairs {
			pairs[hour] = [2]int64{dice.Int64N(900), max(0, dice.Int64N(20)-12)}
		}
		health := webhook.Health{LastSentAt: lately()}
		if i%4 == 0 {
			health.FailureCount = i % 3
			health.LastError = failed(lately(), reasons[i/4%len(reasons)], fmt.Sprintf("Server answered %d", 500+i%5), 500)
		}
		cards = append(cards, card(hook(fmt.Sprintf("%016x", dice.Uint64()), fmt.Sprintf("Webhook %x of team %x", dice.Uint32(), dice.Uint32()),
			fmt.Sprintf("https://host-%x.example.com/hooks/%x", dice.Uint32(), dice.Uint64()), webhook.SendCallLogs, dice.Int64N(50), health), day(pairs...)))
	}
	return page(cards...)
}
