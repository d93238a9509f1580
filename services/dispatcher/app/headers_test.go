package app_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/signature"
	"github.com/dialnote/webhooks/pkg/store/storetest"
	"github.com/dialnote/webhooks/pkg/webhook"
)

func TestAddedHeadersReachOnlyTheReceiver(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(t, config(never))
	came := make(chan http.Header, 10)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		came <- r.Header.Clone()
		w.WriteHeader(http.StatusNoContent)
	})
	w := storetest.Webhook("acme")
	w.URL = r.url
	w.Headers = []webhook.Header{{Name: "x-make-apikey", Value: "canary-1"}}
	w = s.create(t, w)

	s.publish(t, "acme", "evt_1")
	s.awaitStatus(t, w, delivery.StatusDelivered, "evt_1")
	if got := (<-came).Values("X-Make-Apikey"); !slices.Equal(got, []string{"canary-1"}) {
		t.Errorf("a delivery had %q", got)
	}
	if logged := s.attempts(t, w, "evt_1"); !slices.Equal(logged[0].HeaderNames, []string{"x-make-apikey"}) {
		t.Errorf("the log has %q", logged[0].HeaderNames)
	}

	trial, err := s.test(t, w, "evt_test_1")
	if err != nil {
		t.Fatal(err)
	}
	sent := <-came
	if got := sent.Values("X-Make-Apikey"); !slices.Equal(got, []string{"canary-1"}) {
		t.Errorf("a test had %q", got)
	}
	if got := trial.Request.Header["x-make-apikey"]; !slices.Equal(got, []string{webhook.HeaderMask}) {
		t.Errorf("a test shows %q", got)
	}
	if err := signature.VerifyDialNote(w.Secret.Reveal(), trial.Request.Body, sent.Get("X-DialNote-Signature")); err != nil {
		t.Error(err)
	}
}
