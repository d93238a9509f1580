package main

import (
	"io"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/hooklab/receiver"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	r := receiver.New(receiver.Options{})
	listener, err := r.ListenHandler(t.Context(), "127.0.0.1:0", r.WithControl())
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(listener.URL(""), "http://")
	if err := run(limited(t), []string{"healthcheck", "-addr", addr}, io.Discard, io.Discard); err != nil {
		t.Errorf("a receiver that answers: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := run(limited(t), []string{"healthcheck", "-addr", addr}, io.Discard, io.Discard); err == nil {
		t.Error("a receiver that is gone is healthy")
	}
}
