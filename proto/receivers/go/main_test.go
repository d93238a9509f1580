package main

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/proto/receivers/internal/cases"
)

func TestVerification(t *testing.T) {
	t.Parallel()
	all, err := cases.Load("../../golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		got := verifyDialNote(c.Secret, c.Body, c.Signature)
		if c.Standard {
			got = verifyStandard(c.Secret, c.Body, c.ID, c.Timestamp, c.Signature, time.Unix(c.Now, 0))
		}
		if got != c.Want {
			t.Errorf("%s: %v, want %v", c.Name, got, c.Want)
		}
	}
}
