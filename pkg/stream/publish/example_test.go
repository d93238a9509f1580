package publish_test

import (
	"context"
	"log"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dialnote/webhooks/pkg/stream/publish"
	webhooksv1 "github.com/dialnote/webhooks/proto/dialnote/webhooks/v1"
)

// The services that end calls do this. Run the whole program with
//
//	go run ./pkg/stream/publish/example nats://127.0.0.1:4222 demo
func Example() {
	publisher, err := publish.Open(publish.Options{URL: "nats://127.0.0.1:4222", Service: "calls"})
	if err != nil {
		log.Fatal(err)
	}
	defer publisher.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = publisher.Publish(ctx, &webhooksv1.Event{
		Id:             "evt_4711", // the call's own id: publishing it again changes nothing
		Timestamp:      timestamppb.Now(),
		OrganizationId: "demo",
		Data: &webhooksv1.Event_CallCompleted{CallCompleted: &webhooksv1.CallCompleted{
			CallSid:     "CA4711",
			Direction:   webhooksv1.CallDirection_CALL_DIRECTION_INBOUND,
			PhoneNumber: "+15551234567",
			Status:      webhooksv1.CallStatus_CALL_STATUS_COMPLETED,
			Duration:    180,
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
}
