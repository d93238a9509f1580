package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/pkg/fault"
)

// An error that passes by itself is a fault of kind Unavailable, so that the
// publisher tries again; that of a wrong setting is not.
func TestTheBrokersAbsence(t *testing.T) {
	t.Parallel()
	api := func(code int, errorCode jetstream.ErrorCode) error {
		return &jetstream.APIError{Code: code, ErrorCode: errorCode, Description: "x"}
	}
	for _, c := range []struct {
		err  error
		away bool
	}{
		{nats.ErrDisconnected, true},
		{nats.ErrNoResponders, true},
		{context.DeadlineExceeded, true},
		{jetstream.ErrAsyncPublishTimeout, true}, // a cluster without a majority does not reply
		{jetstream.ErrTooManyStalledMsgs, true},
		{api(503, 10008), true},  // temporarily unavailable
		{api(503, 10077), true},  // the stream cannot store
		{api(500, 10047), true},  // no storage is left
		{api(500, 10051), true},  // the disk is full: the stream's settings cannot be written
		{api(500, 10104), true},  // or the consumer's
		{api(500, 10009), true},  // no leader
		{api(400, 10005), true},  // a cluster of which servers are away, or have only just started
		{api(500, 10118), true},  // the stream is offline
		{api(409, 10158), true},  // published again while the first is being stored
		{api(500, 10052), false}, // the stream's configuration is invalid
		{api(500, 10074), false}, // replicas without a cluster
		{api(400, 10058), false}, // the name is in use
		{errors.New("x"), false},
		{context.Canceled, false},
	} {
		if got := fault.Is(unavailable(fmt.Errorf("do: %w", c.err)), fault.Unavailable); got != c.away {
			t.Errorf("%v: away %t, want %t", c.err, got, c.away)
		}
	}
}
