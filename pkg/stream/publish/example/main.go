// Command example publishes one call to an organization, as a platform service
// does:
//
//	go run ./pkg/stream/publish/example nats://127.0.0.1:4222 demo
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/stream/publish"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: example NATS-URL ORGANIZATION")
		os.Exit(2)
	}
	if err := publishCall(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

func publishCall(url, organization string) error {
	publisher, err := publish.Open(publish.Options{URL: url, Service: "example"})
	if err != nil {
		return err
	}
	defer publisher.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id := "evt_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	err = publisher.Publish(ctx, &webhooksv1.Event{
		Id:             id,
		Timestamp:      timestamppb.Now(),
		OrganizationId: organization,
		Data: &webhooksv1.Event_CallCompleted{CallCompleted: &webhooksv1.CallCompleted{
			CallSid:     "CA" + id,
			Direction:   webhooksv1.CallDirection_CALL_DIRECTION_INBOUND,
			PhoneNumber: "+15551234567",
			Status:      webhooksv1.CallStatus_CALL_STATUS_COMPLETED,
			Duration:    180,
		}},
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, "stored", id)
	return err //nolint:wrapcheck // printing is the last thing it does
}
