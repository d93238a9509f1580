package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/endpoint"
	"github.com/dialnote/webhooks/pkg/stream"
	"github.com/dialnote/webhooks/proto"
)

func TestZapierIsUnsubscribedFromADeletedWebhook(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	came := make(chan *http.Request, 10)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		came <- r.Clone(r.Context())
		if r.URL.Path == "/again" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	publish := func(id, path string) {
		t.Helper()
		f := stream.UnsubscribeRequest{OrganizationID: "acme", WebhookID: id, URL: r.url + path}
		for range 2 { // the second is the same
			if err := s.conn.PublishUnsubscribeRequest(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := func() *http.Request {
		t.Helper()
		select {
		case r := <-came:
			return r
		case <-time.After(patience):
			t.Fatal("nothing came")
			return nil
		}
	}
	publish("wh_1", "/hooks/1") // before there is a dispatcher
	s.run(t, config(never))
	if got := next(); got.Method != http.MethodDelete || got.URL.Path != "/hooks/1" || got.ContentLength != 0 ||
		got.UserAgent() != "DialNote-Webhooks/test" || got.Header.Get("X-DialNote-Provider") != "zapier" {
		t.Errorf("%s %s %v", got.Method, got.URL, got.Header)
	}
	await(t, "the request is acknowledged", func() bool { return len(s.nats.Stored(t, proto.StreamFarewells)) == 0 })

	publish("wh_2", "/again")
	if got := next(); got.URL.Path != "/again" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	if n := len(s.nats.Stored(t, proto.StreamFarewells)); n != 1 {
		t.Errorf("%d requests are kept to be sent again", n)
	}
	publish("wh_3", "/hooks/3") // which does not wait for the one that failed
	if got := next(); got.URL.Path != "/hooks/3" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
}

// An unsubscribe request goes only where a delivery may go: the URL's host may
// have become a private one since the URL was saved.
func TestAnUnsubscribeRequestGoesThroughTheGuard(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	came := make(chan string, 100)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		came <- r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	publish := func(path string) {
		t.Helper()
		if err := s.conn.PublishUnsubscribeRequest(t.Context(), stream.UnsubscribeRequest{OrganizationID: "acme", WebhookID: "wh_" + path[1:], URL: r.url + path}); err != nil {
			t.Fatal(err)
		}
		await(t, "the request is acknowledged", func() bool { return len(s.nats.Stored(t, proto.StreamFarewells)) == 0 })
	}
	guarded := s.runUnder(t, config(never), endpoint.Policy{AllowHTTP: true})
	publish("/private")
	guarded.stop()
	s.run(t, config(never))
	publish("/moved")
	close(came)
	var paths []string
	for path := range came {
		paths = append(paths, path)
	}
	if !slices.Equal(paths, []string{"/moved"}) {
		t.Errorf("asked for %q", paths)
	}
}

// One organization has deleted many Zapier webhooks at a port that does not answer:
// the unsubscriptions of others are sent meanwhile.
func TestAnOrganizationsUnsubscriptionsLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	release := make(chan struct{})
	silent := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	came := make(chan string, 10)
	quick := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { came <- r.URL.Path })
	publish := func(organizationID, id, url string) {
		t.Helper()
		if err := s.conn.PublishUnsubscribeRequest(t.Context(), stream.UnsubscribeRequest{OrganizationID: organizationID, WebhookID: id, URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 400 { // more than are sent and wait at once
		publish("greedy", fmt.Sprintf("wh_greedy_%d", i), silent.url)
	}
	for i := range 5 {
		publish("other", fmt.Sprintf("wh_other_%d", i), quick.url+"/hooks")
	}
	cfg := config(never)
	cfg.DeliveryTimeout = 2 * patience // what hangs does not end by itself
	replica := s.run(t, cfg)
	for range 5 {
		select {
		case <-came:
		case <-time.After(patience):
			t.Fatal("another organization's unsubscription was not sent")
		}
	}
	await(t, "the greedy one has its share", func() bool { return silent.inFlight() == 32 })
	if n := replica.heldBack(t, "unsubscriptions", "share", "waits"); n < 100 {
		t.Errorf("%v wait", n)
	}
	close(release)
	await(t, "all are sent", func() bool { return len(s.nats.Stored(t, proto.StreamFarewells)) == 0 })
}
