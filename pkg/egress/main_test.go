package egress_test

import (
	"io"
	"log"
	"os"
	"testing"
)

// TestMain silences what net/http and x/net write to the program's log about
// receivers that misbehave, as the tests' do.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}
