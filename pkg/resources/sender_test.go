package resources_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dialnote/webhooks/pkg/config"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/egress"
	"github.com/dialnote/webhooks/pkg/resources"
)

// One host may be where every webhook leads to, as Zapier's is: its connections
// are kept, however few requests one webhook may have in flight.
func TestConnectionsToOneHostAreKeptForAllWebhooks(t *testing.T) {
	t.Parallel()
	const inFlight, rounds = 40, 5
	var (
		made    atomic.Int64
		arrived = make(chan struct{}, inFlight)
		answer  = make(chan struct{})
	)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	settings := config.Settings{
		AllowHTTPEndpoints: true, AllowPrivateEndpoints: true, EndpointPorts: "1-65535",
		DeliveryTimeout: egress.DefaultTimeout, MaxInFlight: inFlight, WebhookMaxInFlight: 1,
	}
	sender, err := resources.NewSender(settings, "test")
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range rounds {
		var sent sync.WaitGroup
		for range inFlight {
			sent.Go(func() {
				o := sender.Send(t.Context(), egress.Request{Method: http.MethodPost, URL: srv.URL, Normal: target})
				if o.Result != delivery.Succeeded {
					t.Error(o.Reason, o.Message, o.Cause)
				}
			})
		}
		for range inFlight {
			<-arrived
		}
		for range inFlight {
			answer <- struct{}{}
		}
		sent.Wait()
	}
	if made.Load() != inFlight {
		t.Errorf("%d connections were made for %d requests at once", made.Load(), inFlight)
	}
}
